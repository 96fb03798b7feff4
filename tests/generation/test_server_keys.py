"""A key goes to the address it was given for, and to no other; a machine without a keyring says what to do instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from keyring.errors import KeyringLocked

from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import key_address
from dpo_studio.generation import server_keys
from tests import keyring_in_a_file

URL = "https://api.example.com/v1"


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    keyring_in_a_file.use(monkeypatch, tmp_path)
    for name in ("DPO_STUDIO_API_KEY", "DPO_STUDIO_API_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    yield


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://API.Example.com/v1", True),
        ("https://api.example.com:443/v1/", True),
        ("https://api.example.com/v2", False),
        ("https://api.example.com", False),
        ("https://api.example.com/v1/../v2", False),
        ("http://api.example.com/v1", False),
        ("https://api.example.com:8443/v1", False),
        ("https://api.example.com.evil.net/v1", False),
        ("https://evil.net/api.example.com/v1", False),
    ],
)
def test_a_key_is_bound_to_its_address(url: str, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (key_address(url) == key_address(URL)) is same
    server_keys.keep(URL, " sk-kept\n")
    assert server_keys.find(url).key == ("sk-kept" if same else "")
    monkeypatch.setenv("DPO_STUDIO_API_KEY", "sk-given")
    monkeypatch.setenv("DPO_STUDIO_API_ADDRESS", URL)
    assert server_keys.find(url).key == ("sk-given" if same else "")


def test_a_key_of_the_environment_without_an_address_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPO_STUDIO_API_KEY", "sk-given")
    for address in ("", "api.example.com", "https://[broken"):
        monkeypatch.setenv("DPO_STUDIO_API_ADDRESS", address)
        found = server_keys.find(URL)
        assert (found.key, found.source) == ("", "")
    assert f"DPO_STUDIO_API_ADDRESS={URL}" in server_keys.advice(URL, found)


def test_a_key_is_forgotten() -> None:
    assert server_keys.keyring_name()
    server_keys.keep(URL, "sk-kept")
    assert list(keyring_in_a_file.entries()) == [f"DPO Studio|{URL}"]
    assert server_keys.forget(URL) is True
    assert server_keys.forget(URL) is False
    assert keyring_in_a_file.entries() == {}


@pytest.mark.parametrize("key", ["", "  \n", "sk kept", "sk-ké"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(UserError):
        server_keys.keep(URL, key)
    assert keyring_in_a_file.entries() == {}


@pytest.mark.parametrize("backend", ["fail", "null"])
def test_a_machine_without_a_keyring_names_the_other_way(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"keyring.backends.{backend}.Keyring")
    assert server_keys.keyring_name() == ""
    assert server_keys.find(URL).source == ""
    assert server_keys.forget(URL) is False
    with pytest.raises(UserError) as refused:
        server_keys.keep(URL, "sk-kept")
    assert refused.value.message == "This machine has no keyring that could keep the key."
    assert refused.value.hint.startswith("Set DPO_STUDIO_API_KEY to the key and DPO_STUDIO_API_ADDRESS to " + URL)


def test_a_locked_keyring_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise KeyringLocked("nobody unlocked it")

    monkeypatch.setattr(keyring_in_a_file.FileKeyring, "set_password", locked)
    with pytest.raises(UserError) as refused:
        server_keys.keep(URL, "sk-kept")
    assert "did not take the key; it may be locked" in refused.value.message
    assert refused.value.hint.startswith("Unlock it and try again, or set DPO_STUDIO_API_KEY")


def test_a_found_key_does_not_show_itself() -> None:
    server_keys.keep(URL, "sk-kept")
    assert "sk-kept" not in f"{server_keys.find(URL)!r} {server_keys.find(URL)}"
