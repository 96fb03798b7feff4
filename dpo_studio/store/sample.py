"""The sample project: a copy of it, wherever one is wanted."""

from __future__ import annotations

import shutil
from pathlib import Path

from dpo_studio.core import bundled
from dpo_studio.core.errors import UserError

from .database import DATABASE_NAME, Project


def copy_sample(folder: str | Path) -> Project:
    """Copy the sample project into a new folder and open it.

    Raises:
        UserError: the sample is missing from this installation, or the folder holds something already or
            cannot be written.
    """
    try:
        source = bundled.folder("sample_data") / "project" / DATABASE_NAME
    except FileNotFoundError:
        source = Path()
    if not source.is_file():
        raise UserError("The sample is missing from this installation.", "Install DPO Studio again, or make a project.")
    folder = Path(folder).expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty.", "Choose a new folder for the sample project.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / DATABASE_NAME)
    except OSError as error:
        raise UserError(
            f"The sample could not be copied to {folder}: {error.strerror}.", "Choose another place."
        ) from error
    return Project.open(folder)
