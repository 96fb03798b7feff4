"""What `dpo-studio doctor` looks at: each part the app needs, whether it is there, and what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_studio import __version__
from dpo_studio.core.errors import UserError

_LIBRARIES = ("torch", "transformers", "peft", "datasets", "PySide6-Essentials", "sqlite-utils")
_LOW_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    says: str

    @property
    def mark(self) -> str:
        return "ok  " if self.ok else "FAIL"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "says": self.says}


def examine() -> list[Check]:
    """Every check, in the order in which a person would ask."""
    looks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("DPO Studio", lambda: f"{__version__} in {Path(__file__).parent}"),
        ("Python", lambda: f"{platform.python_version()} ({sys.executable})"),
        ("System", lambda: f"{platform.platform()}, {os.cpu_count()} processors"),
        *((name, lambda name=name: _version(name)) for name in _LIBRARIES),
        ("Device", _device),
        ("Starter model", _starter),
        ("Model cache", _cache),
        ("Window", _window),
        ("Keyring", _keyring),
        ("Sample", _sample),
    )
    return [_look(name, look) for name, look in looks]


def _look(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except UserError as error:
        return Check(name, False, str(error))
    except Exception as error:
        # A doctor reports what is broken and goes on to the next part.
        return Check(name, False, f"{type(error).__name__}: {error}")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise UserError("not installed.", f"Run: pip install {name}") from None


def _device() -> str:
    from dpo_studio.models import device

    chosen = device.choose("auto")
    return device.describe(chosen, device.choose_dtype(chosen))


def _starter() -> str:
    from dpo_studio.models import starter

    source = starter.source()
    return f"{starter.TITLE}, {source.stat().st_size / 1e6:.0f} MB, in {source.parent}"


def _cache() -> str:
    from dpo_studio.models import cache

    folder = cache.root()
    present = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_gb = shutil.disk_usage(present).free / 1e9
    if free_gb < _LOW_DISK_GB:
        raise UserError(f"{folder} has only {free_gb:.1f} GB free.", "Free some disk space, or models will not fit.")
    return f"{folder}, {free_gb:.1f} GB free"


def _window() -> str:
    from dpo_studio.ui import preflight

    problem = preflight.problem()
    if problem is not None:
        raise problem
    return "Qt can open one"


def _keyring() -> str:
    from dpo_studio.core.server_reference import ADDRESS_VARIABLE, KEY_VARIABLE
    from dpo_studio.generation import server_keys

    name = server_keys.keyring_name()
    if name:
        return f"{name} keeps the keys of servers"
    return f"none; a server's key is given in {KEY_VARIABLE}, and its address in {ADDRESS_VARIABLE}"


def _sample() -> str:
    from dpo_studio.core import bundled

    database = bundled.folder("sample_data") / "project" / "project.db"
    if not database.is_file():
        raise UserError("The sample is missing from this installation.", "Install DPO Studio again.")
    return str(database.parent)
