"""Where the files that come with the app are: beside the package in a checkout, in it once installed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def folder(name: str) -> Path:
    """The folder "resources" or "sample_data".

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    package = Path(str(files("dpo_studio")))
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name} is missing from this installation of DPO Studio")
