"""Making, opening and copying projects for the window: which folder, and what to say when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpo_studio.store import Project

APP_FOLDER = "DPO Studio"


def documents_folder() -> Path:
    """Where projects go unless another place is chosen."""
    from platformdirs import user_documents_path

    return user_documents_path() / APP_FOLDER


def free_folder(parent: Path, name: str) -> Path:
    """A folder of this name that does not exist yet: "Sample", "Sample 2", …"""
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name} {number}"
    return folder


def open_project(folder: Path) -> Project:
    """Open the project in this folder (or of this project.db), at once.

    What an import left to do is left to `settling`, and to look for damage and to back it up to `checking`.

    Raises:
        UserError: it cannot be opened.
    """
    from dpo_studio.store import Project

    return Project.open(folder.parent if folder.is_file() else folder, settled=False, checked=False)


def create_project(folder: Path, guideline: str) -> Project:
    """Make a project with its guideline and open it.

    Raises:
        UserError: the folder cannot be used.
    """
    from dpo_studio.store import Project

    return Project.create(folder, guideline=guideline)


def copy_sample(parent: Path) -> Project:
    """Copy the sample project into a new folder under this one and open it.

    Raises:
        UserError: the sample is missing from this installation, or the folder cannot be written.
    """
    from dpo_studio.store import sample

    return sample.copy_sample(free_folder(parent, "Sample"))
