"""Memory in use, and whether it ran out."""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import suppress

import torch

#: What PyTorch says where it has no error of its own for it: on GPUs, on Linux, on Windows, and in cuBLAS.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "status_alloc_failed")
#: What oneDNN says; a "primitive descriptor" that could not be created is one that it does not have.
_OUT_OF_MEMORY_IN_ONEDNN = re.compile("could not create a (primitive(?! descriptor)|memory)")


def memory_gb() -> float:
    """Memory in use by this process, in 10⁹ bytes: the GPU's peak where there is one, else the resident set."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e9
    import psutil

    return psutil.Process().memory_info().rss / 1e9


def give_back() -> None:
    """Return what was freed to the system: work of another kind needs other sizes, which do not fit into the holes."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return any(phrase in text for phrase in _OUT_OF_MEMORY) or _OUT_OF_MEMORY_IN_ONEDNN.search(text) is not None
