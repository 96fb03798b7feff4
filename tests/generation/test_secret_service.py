"""A key in a real keyring: GNOME's Secret Service on a bus of its own, where this machine has both programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAMS = ("dbus-run-session", "gnome-keyring-daemon")
_MISSING = [name for name in _PROGRAMS if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"there is no {' or '.join(_MISSING)} here")

_UNLOCKED = """
printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
server="$1 -m dpo_studio server http://localhost:9/v1 --no-models --json"
echo sk-only-in-the-keyring | $server --keep-key
$server
$1 -m dpo_studio server http://localhost:9/v2 --no-models --json
$server --forget-key
$server
"""


def test_a_key_is_kept_found_for_its_address_alone_and_forgotten(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    left_out = ("PYTHON_KEYRING_BACKEND", "DBUS_SESSION_BUS_ADDRESS", "DPO_STUDIO_API_KEY", "DPO_STUDIO_API_ADDRESS")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment |= {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("DATA", "CONFIG", "CACHE")},
    }
    ended = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", _UNLOCKED, "sh", sys.executable],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    place, other = (f'{{"address": "http://localhost:9/v{number}", "key": "' for number in (1, 2))
    assert ended.stdout.splitlines() == [
        place + 'keyring"}',
        place + 'keyring"}',
        other + '"}',
        place + '"}',
        place + '"}',
    ], ended.stderr
    assert any(home.rglob("*.keyring")), "it was GNOME's keyring that kept it"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"sk-only-in-the-keyring" not in path.read_bytes(), path
