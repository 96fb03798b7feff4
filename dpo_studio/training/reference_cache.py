"""Log-probabilities of reference models, kept for all runs of a project. Deleting the folder harms nothing.

A folder for each way of computing them; in it files that are written once, under names of their own, and never
changed: any number of processes may write at once. Files that cannot be read are as if they were not there.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from .disk import write_file_whole

#: All files together; the oldest are dropped first. A group takes about 100 bytes, or with its tokens some thousands.
LIMIT_BYTES = 256 * 1024 * 1024


class ReferenceCache:
    """What is known of one reference, by the key of a group."""

    def __init__(self, folder: Path, identity: str) -> None:
        """
        Args:
            folder: of the whole cache.
            identity: everything but a group's tokens that its numbers depend on.
        """
        self._whole = folder
        self._folder = folder / hashlib.sha256(identity.encode()).hexdigest()[:32]

    def read(self) -> dict[str, Tensor]:
        """Everything that is known and can be read."""
        known: dict[str, Tensor] = {}
        for path in sorted(self._folder.glob("*.safetensors")):
            with suppress(OSError, SafetensorError):
                known |= load_file(path)
        return known

    def add(self, found: Mapping[str, Tensor]) -> None:
        """Keep these too; where the disk does not let it, they are not kept."""
        if not found:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_file_whole(self._folder / f"{uuid.uuid4().hex}.safetensors", save(dict(found)))
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        files = []
        for path in self._whole.glob("*/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        too_much = sum(size for _, size, _ in files) - LIMIT_BYTES
        for _, size, path in sorted(files):
            if too_much <= 0:
                break
            path.unlink(missing_ok=True)
            too_much -= size
