"""`dpo-studio server`: which models a server has, and the key that is kept for its address."""

from __future__ import annotations

import sys
from typing import Any

import click

from dpo_studio.cli_output import Reporter, counted, reports
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import parse_address

_KEYS = {"keyring": "kept in the system's keyring", "environment": "given in the environment", "": "none"}


@click.command()
@click.argument("address")
@click.option("--keep-key", is_flag=True, help="Ask for a key, or read it from stdin, and keep it for this address.")
@click.option("--forget-key", is_flag=True, help="Take the key of this address out of the keyring.")
@click.option("--no-models", is_flag=True, help="Do not ask the server for its models.")
@reports
def server(out: Reporter, address: str, keep_key: bool, forget_key: bool, no_models: bool) -> None:
    """Ask the OpenAI-compatible server at ADDRESS (http://host:port/v1) for its models.

    A key is kept in the system's keyring, is sent to this address alone, and is never an argument.
    """
    from dpo_studio.generation import server_keys

    url = parse_address(address)
    if keep_key and forget_key:
        raise UserError("--keep-key and --forget-key contradict each other.", "Give one of them.")
    if keep_key:
        server_keys.keep(url, _read_key(url))
    forgotten = server_keys.forget(url) if forget_key else False
    source = server_keys.find(url).source
    values: dict[str, Any] = {"address": url, "key": source}
    lines = [f"Key for {url}: {'forgotten' if forgotten else _KEYS[source]}."]
    if not no_models:
        values["models"] = models = _models(url)
        some = ":\n  " + "\n  ".join(models) if models else "; it may still have some that it does not list."
        lines.append(f"{counted(len(models), 'model')}{some}")
    out.result(values, "\n".join(lines))


def _models(url: str) -> list[str]:
    from dpo_studio.core.server_reference import ServerReference
    from dpo_studio.generation.remote import Server

    asked = Server(ServerReference(url, ""))
    try:
        return asked.models()
    finally:
        asked.close()


def _read_key(url: str) -> str:
    """A line of stdin; a person at a terminal is asked, and what they type is not shown."""
    if sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(f"Key for {url}", hide_input=True, err=True))
    return sys.stdin.readline() if sys.stdin is not None else ""
