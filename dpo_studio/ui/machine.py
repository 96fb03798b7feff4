"""What the status bar tells about the machine, found without importing torch: device, memory in use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROC = Path("/proc")
_WORKER_MARK = b"\0dpo_studio\0worker\0"


def device_guess() -> str:
    """What models will most likely run on; a worker that loaded one knows better."""
    graphics = sorted(_PROC.glob("driver/nvidia/gpus/*/information"))
    if graphics and not _torch_is_cpu_only():
        return _model_of(graphics[0]) or "CUDA"
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return "Apple GPU"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"CPU, {cores} core{'s' if cores != 1 else ''}"


def memory_bytes(project_folder: Path | None = None) -> int | None:
    """Memory of this process and its workers, in bytes; None where the system does not tell.

    Args:
        project_folder: workers that train a run of this project count too, whoever started them.
    """
    own = _resident_bytes("self")
    if own is None:
        return None
    return own + sum(_resident_bytes(pid) or 0 for pid in _worker_pids(project_folder))


def in_words(size_bytes: int) -> str:
    """A size such as "310 MB" or "2.1 GB"."""
    if size_bytes < 1e9:
        return f"{size_bytes / 1e6:.0f} MB"
    return f"{size_bytes / 1e9:.1f} GB"


def _resident_bytes(pid: str) -> int | None:
    try:
        pages = int((_PROC / pid / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _worker_pids(project_folder: Path | None) -> list[str]:
    mine = str(os.getpid())
    folder = None if project_folder is None else os.fsencode(str(project_folder)) + b"/"
    found = []
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        try:
            command = (_PROC / entry.name / "cmdline").read_bytes()
            if _WORKER_MARK not in command:
                continue
            status = (_PROC / entry.name / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parent = status.rpartition(")")[2].split()[1]
        if parent == mine or (folder is not None and folder in command):
            found.append(entry.name)
    return found


def _torch_is_cpu_only() -> bool:
    from importlib import metadata

    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def _model_of(information: Path) -> str:
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "")
