"""The JSON objects that a server streams as server-sent events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2

from dpo_studio.core.server_reference import ServerReference

from .server_errors import json_of


def bodies(response: httpx2.Response, reference: ServerReference) -> Iterator[dict[str, Any] | None]:
    """What is streamed, None at its end; from a server that does not stream, all at once.

    Raises:
        UserError: it is not JSON.
    """
    if response.headers.get("content-type", "").startswith("application/json"):
        yield json_of(response.read().decode(errors="replace"), reference)
        return
    for line in _lines(response):
        data = line.removeprefix("data:").strip()
        if line.startswith("data:"):
            yield None if data == "[DONE]" else json_of(data, reference)


def _lines(response: httpx2.Response) -> Iterator[str]:
    """Lines in UTF-8, ended by LF or CR LF alone.

    `iter_lines` also ends one at U+2028, U+0085 and others, which JSON may hold as they are: it would cut an answer.
    """
    rest = b""
    for part in response.iter_bytes():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode(errors="replace")
    yield rest.decode(errors="replace")
