"""Keys of servers: each is bound to one address, and kept in the system's keyring or given in the environment.

A project names the servers that answer its prompts, and a project may be a stranger's. So a key goes to the very
address it was given for (scheme, host, port and path) and to no other. It is written nowhere but in the keyring.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import ADDRESS_VARIABLE, KEY_VARIABLE, key_address

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "DPO Studio"


@dataclass(frozen=True, slots=True)
class FoundKey:
    """What is known of an address's key.

    Attributes:
        key: the key itself; empty where there is none. Never shown: `repr` leaves it out.
        source: "keyring", "environment", or empty where there is none.
    """

    key: str = ""
    source: str = ""

    def __repr__(self) -> str:
        return f"FoundKey(source={self.source!r})"


def find(url: str) -> FoundKey:
    """The key for this address: that of the environment where it is meant for it, else that of the keyring.

    A keyring that cannot be asked counts as one without a key.
    """
    address = key_address(url)
    given = os.environ.get(KEY_VARIABLE, "").strip()
    if given and _named_address() == address:
        return FoundKey(given, "environment")
    try:
        kept = _keyring().get_password(SERVICE, address)
    except Exception:  # backends raise whatever their libraries do
        kept = None
    return FoundKey(kept, "keyring") if kept else FoundKey()


def keep(url: str, key: str) -> None:
    """Put a key into the system's keyring, for this address alone.

    Raises:
        UserError: it is no key, or there is no keyring that keeps it.
    """
    key = key.strip()
    if not key:
        raise UserError("No key was given.", "Paste the key that the server's owner gave you.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError("The key holds characters that no key has.", "Copy it again, without what stands around it.")
    address = key_address(url)
    try:
        backend = _keyring()
        backend.set_password(SERVICE, address, key)
        kept = backend.get_password(SERVICE, address) == key
    except Exception as error:
        raise _not_kept(address) from error
    if not kept:
        raise _not_kept(address)


def forget(url: str) -> bool:
    """Take the key of an address out of the keyring; whether there was one.

    Raises:
        UserError: there is a keyring, and it does not let go of the key.
    """
    address = key_address(url)
    try:
        backend = _keyring()
        if not backend.get_password(SERVICE, address):
            return False
    except Exception:
        return False
    try:
        backend.delete_password(SERVICE, address)
    except Exception as error:
        raise UserError(
            "The system's keyring did not remove the key.", f"Remove {SERVICE}, {address} in its own program."
        ) from error
    return True


def keyring_name() -> str:
    """What keeps keys on this machine; empty where nothing does."""
    try:
        backend = _keyring()
        return str(backend.name) if backend.priority > 0 else ""
    except Exception:
        return ""


def advice(url: str, found: FoundKey) -> str:
    """What to do about a server that wants a key, or another one than it was sent."""
    address = key_address(url)
    if found.source == "environment":
        return f"Set {KEY_VARIABLE} to a key of {address} and start again."
    if found.source == "keyring":
        return f"Give the right one with Key… in Generate, or with dpo-studio server {address} --keep-key."
    if os.environ.get(KEY_VARIABLE, "").strip():
        return f"{KEY_VARIABLE} is set, but not for this address: set {ADDRESS_VARIABLE}={address} as well."
    return (
        f"Give one with Key… in Generate, or with dpo-studio server {address} --keep-key."
        f" Where there is no keyring, set {KEY_VARIABLE} and {ADDRESS_VARIABLE}={address}, and start again."
    )


def _named_address() -> str:
    try:
        return key_address(os.environ.get(ADDRESS_VARIABLE, "").strip())
    except ValueError:
        return ""


def _keyring() -> KeyringBackend:
    """The system's keyring; one that keeps keys in the open is not taken unless a person configured it."""
    from keyring import core

    core.init_backend(core.recommended)
    return core.get_keyring()


def _not_kept(address: str) -> UserError:
    otherwise = f"set {KEY_VARIABLE} to the key and {ADDRESS_VARIABLE} to {address}, and start again."
    if keyring_name():
        return UserError(
            f"The system's keyring ({keyring_name()}) did not take the key; it may be locked.",
            f"Unlock it and try again, or {otherwise}",
        )
    return UserError("This machine has no keyring that could keep the key.", otherwise[0].upper() + otherwise[1:])
