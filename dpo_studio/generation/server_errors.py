"""What goes wrong between this machine and a server of the OpenAI API, in sentences."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import ServerReference
from dpo_studio.core.surrogates import joined

#: It has too much to do, a limit is reached, or (llama.cpp, Ollama) its model is still being loaded: ask again.
BUSY = (429, 503, 529)
#: A server that fails at so many prompts one after another is not asked for more.
MOST_FAILURES = 3
_LONGEST_WAIT_S = 60.0
_REFUSED = "The server refuses this prompt."


class RefusedError(UserError):
    """The server refuses this one request (too long, say); others may go well."""


class FailedRequestError(UserError):
    """The server failed at this one request; whether it is the prompt or the server, other requests will show."""


class UnknownModelError(UserError):
    """The server does not know the model, or nothing of this API is at the address."""


@contextlib.contextmanager
def in_words(reference: ServerReference) -> Iterator[None]:
    """Turn what goes wrong on the wire into a sentence."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise UserError(
                f"The certificate of {reference.url} is not one that this machine trusts.",
                "Have the system trust it, or set SSL_CERT_FILE to a file with it.",
            ) from error
        if "SSL" in str(error):
            raise UserError(
                f"What answers at {reference.url} does not speak https.", "Try the address with http:// instead."
            ) from error
        raise UserError(
            f"No server answers at {reference.url}.", "Start it, or check the address and the port."
        ) from error
    except httpx2.TimeoutException as error:
        raise UserError("The server said nothing for too long.", "See whether it is busy, then go on.") from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise UserError(f"{reference.url} is not an address that can be used.", "Check it.") from error
    except httpx2.RequestError as error:
        raise cut() from error


def no_model(reference: ServerReference, known: Sequence[str], said: str) -> UserError:
    """What to say where a server refuses even one token of a model that it does not list.

    Args:
        known: what it lists.
        said: what it was refused with.
    """
    if not known:
        said = said.removeprefix(_REFUSED).strip()
        return UserError(
            f"The server does not answer with the model {reference.model}. {said}",
            "Check its name, and that the address ends with the API's root, such as /v1.",
        )
    some = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
    return UserError(f"The server has no model {reference.model}.", f"It has: {some}.")


def cut() -> UserError:
    """What to say where a connection ended too early."""
    return UserError(
        "The connection to the server ended in the middle of an answer.",
        "See whether the server still runs, then go on: what was finished is kept.",
    )


def check_status(response: httpx2.Response, reference: ServerReference) -> None:
    """Raises what a status that is not 200 means; those about keys are not known here."""
    status = response.status_code
    if status == 200:
        return
    said = said_by(response)
    match status:
        case 404:
            raise UnknownModelError(
                f"The server does not know the model {reference.model} or this address. {said}".strip(),
                "Check the model's name, and that the address ends with the API's root, such as /v1.",
            )
        case 429:
            raise UserError("The server has too much to do, or a limit is reached.", "Wait a while, then go on.")
        case 503 | 529:
            raise UserError(f"The server is not ready, or has too much to do. {said}".strip(), "Wait, then go on.")
        case 301 | 302 | 303 | 307 | 308:
            elsewhere = response.headers.get("location", "").partition("?")[0] or "another address"
            raise UserError(
                f"The server sends requests on to {elsewhere}, and nothing is sent there unasked.",
                "Give that address instead, if you trust it.",
            )
        case 400 | 413 | 422:
            raise RefusedError(
                f"{_REFUSED} {said}".strip(), "Shorten it, ask for less, or change the setting that it names."
            )
    raise FailedRequestError(
        f"The server answered with status {status}. {said}".strip(), "See the server's log, then go on."
    )


def said_by(response: httpx2.Response) -> str:
    """The message in the body of an answer that is an error; "" where there is none."""
    try:
        return said_in(json.loads(response.text))
    except ValueError:
        return ""


def said_in(body: Any) -> str:
    """The message in an error body, which servers shape in several ways."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or ""
    return joined(error.strip()[:300]) if isinstance(error, str) else ""


def json_of(text: str, reference: ServerReference) -> dict[str, Any]:
    """The JSON object that a text is; raises UserError for anything else."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    raise UserError(
        f"What answers at {reference.url} does not speak the OpenAI API.", "Check the address: it often ends with /v1."
    )


def wait_s(response: httpx2.Response, tried: int) -> float:
    """Seconds to wait for a server that is BUSY: what it asks for (seconds or a date), else doubling from one."""
    said = response.headers.get("retry-after", "")
    try:
        asked = float(said)
    except ValueError:
        try:
            asked = parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError):
            asked = math.nan
    return min(max(asked, 0.0), _LONGEST_WAIT_S) if math.isfinite(asked) else 2.0 ** (tried - 1)
