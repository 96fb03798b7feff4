"""Models that were converted once, kept in the user's cache folder and checked by hash.

A converted model is a folder with a `manifest.json` that is written last: it names the file the model
was made from and the size, time and SHA-256 of every file in the folder. Not here: what Hugging Face
downloads, which its own cache keeps.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

MANIFEST = "manifest.json"
#: Raised whenever a conversion would come out differently, so that older ones are made afresh.
CONVERSION = 1
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file was when it was looked at: its size in bytes, its time in nanoseconds, its SHA-256."""

    size: int
    mtime_ns: int
    sha256: str


def root() -> Path:
    """The folder of converted models; the environment's DPO_STUDIO_CACHE moves it."""
    base = os.environ.get("DPO_STUDIO_CACHE") or platformdirs.user_cache_dir("dpo-studio", appauthor=False)
    return Path(base) / "models"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def stamp(path: Path) -> Stamp:
    """A file's stamp; reads all of it."""
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns, sha256(path))


def known_hash(source: Path) -> str | None:
    """The SHA-256 of a source as an earlier conversion noted it, if it has not changed since."""
    status = source.stat()
    for manifest in root().glob(f"*/{MANIFEST}"):
        origin = (_read(manifest) or {}).get("source", {})
        same = (origin.get("path"), origin.get("size"), origin.get("mtime_ns"))
        if same == (str(source.resolve()), status.st_size, status.st_mtime_ns):
            return str(origin["sha256"])
    return None


def is_intact(folder: Path) -> bool:
    """Whether a converted model is all there and unchanged.

    Sizes are compared at every call; a file whose time differs is read again and compared by hash.
    """
    body = _read(folder / MANIFEST)
    if body is None or body.get("conversion") != CONVERSION:
        return False
    moved = False
    try:
        files = {name: Stamp(**values) for name, values in body["files"].items()}
        for name, expected in files.items():
            status = (folder / name).stat()
            if status.st_size != expected.size:
                return False
            if status.st_mtime_ns != expected.mtime_ns:
                if sha256(folder / name) != expected.sha256:
                    return False
                moved = True
    except (OSError, KeyError, TypeError, AttributeError):
        return False
    if moved:
        _write(folder / MANIFEST, {**body, "files": _stamps(folder)})
    return bool(files)


@contextmanager
def new_folder(name: str, *, source: Path, source_hash: str) -> Iterator[Path]:
    """A folder to fill that becomes `root()/name`, manifest and all, when the block ends without an error."""
    home = root()
    home.mkdir(parents=True, exist_ok=True)
    for left_over in home.glob(f".{name}-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home))
    try:
        yield partial
        status = source.stat()
        origin = {"path": str(source.resolve()), **asdict(Stamp(status.st_size, status.st_mtime_ns, source_hash))}
        _write(partial / MANIFEST, {"conversion": CONVERSION, "source": origin, "files": _stamps(partial)})
        final = home / name
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _stamps(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    return {path.name: asdict(stamp(path)) for path in files}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def _write(path: Path, body: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(body, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
