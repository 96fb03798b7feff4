"""A folder that appears whole or not at all, and never in the place of what is not an export."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpo_studio.core.errors import UserError

#: A line in the README of every export: what may be overwritten is known by it.
MARK = "<!-- written by DPO Studio -->"


@contextmanager
def destination(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that takes the place of `target` when the block ends well.

    Args:
        overwrite: replace an earlier export; any other folder with something in it is refused still.

    Raises:
        UserError: the target holds something, or cannot be written.
    """
    target = target.expanduser().resolve()
    _check(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.", "Choose another folder.") from error
    try:
        partial.chmod(0o755)
        yield partial
        for path in partial.rglob("*"):
            _sync(path)
        _put_in_place(partial, target)
    except OSError as error:
        raise UserError(
            f"{target} could not be written: {error.strerror or error}.",
            "Free some disk space or choose another folder; nothing was left there.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file.", "Name a folder for the export.")
    if not target.exists() or not any(target.iterdir()):
        return
    if not _is_export(target):
        raise UserError(f"{target} is not empty.", "Choose a new or empty folder.")
    if not overwrite:
        raise UserError(f"{target} holds an earlier export.", "Choose a new folder, or allow overwriting it.")


def _is_export(folder: Path) -> bool:
    try:
        return MARK in (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _put_in_place(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.replace(target)
    elif not any(target.iterdir()):
        target.rmdir()
        partial.replace(target)
    else:
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".old", dir=target.parent))
        old = aside / target.name
        target.replace(old)
        try:
            partial.replace(target)
        except OSError:
            old.replace(target)
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    if path.is_file():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
