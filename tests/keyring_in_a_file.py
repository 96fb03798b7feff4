"""A keyring for tests, chosen by PYTHON_KEYRING_BACKEND; its entries are in the JSON file that KEYRING_FILE names."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

NAME = "tests.keyring_in_a_file.FileKeyring"


class FileKeyring(KeyringBackend):
    priority = 9

    def get_password(self, service: str, username: str) -> str | None:
        return entries().get(f"{service}|{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        _write({**entries(), f"{service}|{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        kept = entries()
        if kept.pop(f"{service}|{username}", None) is None:
            raise PasswordDeleteError("there is none")
        _write(kept)


def entries() -> dict[str, str]:
    path = Path(os.environ["KEYRING_FILE"])
    return json.loads(path.read_text()) if path.exists() else {}


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make it the keyring of this process and of those it starts."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", NAME)
    monkeypatch.setenv("KEYRING_FILE", str(folder / "keyring.json"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    )


def _write(kept: dict[str, str]) -> None:
    Path(os.environ["KEYRING_FILE"]).write_text(json.dumps(kept))
