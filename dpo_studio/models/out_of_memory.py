"""Whether an error says that memory ran out."""

from __future__ import annotations

import torch

#: What PyTorch says where it has no error of its own for it: on GPUs, on Linux, on Windows, and in cuBLAS.
_SAID = ("out of memory", "can't allocate memory", "not enough memory", "status_alloc_failed")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or on the CPU, whose allocator raises a plain RuntimeError."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in _SAID)
