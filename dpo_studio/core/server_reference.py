"""A model behind an OpenAI-compatible server, written `openai:http://host:port/v1#model-name`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import UserError

PREFIX = "openai:"
_HOW = "Write it as openai:http://host:port/v1#model-name."


@dataclass(frozen=True, slots=True)
class ServerReference:
    """Where a server answers, and which of its models.

    Attributes:
        url: up to and with the API's root, such as `http://localhost:8000/v1`; no slash at its end.
        model: the model's name as the server lists it.
    """

    url: str
    model: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.url}#{self.model}"


def is_server(base: str) -> bool:
    """Whether a model reference names a model behind a server."""
    return base.strip().startswith(PREFIX)


def parse(base: str) -> ServerReference:
    """The reference that a text stands for.

    Raises:
        UserError: it is not one, or it holds a password, which would be kept in the project.
    """
    url, _, model = base.strip().removeprefix(PREFIX).partition("#")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError("The server's address cannot be read.", _HOW) from error
    if parts.scheme not in ("http", "https") or not host:
        raise UserError("A server's address begins with http:// or https:// and names a host.", _HOW)
    if "@" in parts.netloc or parts.query:
        raise UserError(
            "A server's address must not hold a key or a password: it would be kept in the project.",
            "Leave it out, and give the key in the environment variable DPO_STUDIO_API_KEY.",
        )
    if not model.strip():
        raise UserError("The server's address does not say which model is to answer.", _HOW)
    return ServerReference(url.rstrip("/"), model.strip())


def refuse_training(base: str) -> None:
    """Raises UserError for a model that is behind a server: its weights are not here."""
    if is_server(base):
        raise UserError(
            "A model behind a server cannot be trained: its weights are not on this machine.",
            "Train another model on its answers: choose the starter model, a Hub id or a folder.",
        )
