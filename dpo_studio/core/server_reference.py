"""A model behind an OpenAI-compatible server, written `openai:http://host:port/v1#model-name`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import UserError

PREFIX = "openai:"
#: A key in the first goes to the address in the second and to no other.
KEY_VARIABLE, ADDRESS_VARIABLE = "DPO_STUDIO_API_KEY", "DPO_STUDIO_API_ADDRESS"
_HOW = "Write it as openai:http://host:port/v1#model-name."
_HOW_ADDRESS = "Write it as http://host:port/v1."
_PORTS = {"http": 80, "https": 443}


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
    url = _checked(url, _HOW)
    if not model.strip():
        raise UserError("The server's address does not say which model is to answer.", _HOW)
    return ServerReference(url, model.strip())


def parse_address(text: str) -> str:
    """The address of a server alone, as in `ServerReference.url`.

    Raises:
        UserError: as `parse`.
    """
    url = text.strip().removeprefix(PREFIX).partition("#")[0]
    if not url:
        raise UserError("No address is given.", _HOW_ADDRESS)
    return _checked(url, _HOW_ADDRESS)


def key_address(url: str) -> str:
    """What a key for this address is kept under: two texts give the same where they mean the same place.

    The path counts, for one host may serve several people by it.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def refuse_training(base: str) -> None:
    """Raises UserError for a model that is behind a server: its weights are not here."""
    if is_server(base):
        raise UserError(
            "A model behind a server cannot be trained: its weights are not on this machine.",
            "Train another model on its answers: choose the starter model, a Hub id or a folder.",
        )


def _checked(url: str, how: str) -> str:
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError("The server's address cannot be read.", how) from error
    if parts.scheme not in ("http", "https") or not host:
        raise UserError("A server's address begins with http:// or https:// and names a host.", how)
    if "@" in parts.netloc or parts.query:
        raise UserError(
            "A server's address must not hold a key or a password: it would be kept in the project.",
            "Leave it out; a key is kept apart: dpo-studio server ADDRESS --keep-key.",
        )
    if not url.isprintable() or " " in url or "\\" in url:
        raise UserError("The server's address holds characters that no address has.", how)
    return url.rstrip("/")
