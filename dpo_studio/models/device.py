"""Which device computes and in which number format, and a sentence that says so."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from dpo_studio.core.errors import UserError

#: bfloat16 must be this much faster to be worth its coarser numbers.
WORTH_IT = 1.2
_BUDGET_S, _ROUNDS = 0.04, 5
_ROWS, _WIDTH = 256, 768


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a device multiplies: seconds for one and the same product in each format."""

    float32_s: float
    bfloat16_s: float | None

    @property
    def ratio(self) -> float:
        """How many times faster bfloat16 is than float32; 0 where there is none."""
        return self.float32_s / self.bfloat16_s if self.bfloat16_s else 0.0


def choose(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is CUDA, else MPS, else the CPU.

    Raises:
        UserError: this machine does not have it.
    """
    has: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, available in has.items() if available()))
    kind = name.partition(":")[0]
    if kind not in has:
        raise UserError(f"{name!r} is not a device.", 'Use "auto", "cpu", "cuda" or "mps".')
    if not has[kind]():
        raise UserError(
            f"This machine has no {kind.upper()} device that PyTorch can use.", 'Set the device to "auto" or "cpu".'
        )
    return torch.device(name)


def choose_dtype(device: torch.device, name: str = "auto") -> torch.dtype:
    """The number format of that name; "auto" is bfloat16 where it was measured to multiply faster, else float32.

    Raises:
        UserError: the name is none of "auto", "float32", "bfloat16".
    """
    formats = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        return torch.bfloat16 if measure(device).ratio >= WORTH_IT else torch.float32
    if name not in formats:
        raise UserError(f"{name!r} is not a number format.", 'Use "auto", "float32" or "bfloat16".')
    return formats[name]


@functools.cache
def measure(device: torch.device) -> Speed:
    """Time one matrix product in both formats on the device (about 50 ms, once a process).

    The formats take turns and the best time of each counts, so that another program's burst meets both.
    """
    formats = {name: _product(device, name) for name in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(formats, float("inf"))
    begin = time.perf_counter()
    rounds = 0
    while rounds < _ROUNDS or time.perf_counter() - begin < _BUDGET_S:
        rounds += 1
        for name, product in formats.items():
            if product is not None:
                started = time.perf_counter()
                product()
                best[name] = min(best[name], time.perf_counter() - started)
    bfloat16_s = best[torch.bfloat16]
    return Speed(best[torch.float32], None if formats[torch.bfloat16] is None else bfloat16_s)


def describe(device: torch.device, dtype: torch.dtype) -> str:
    """The device and format in words, such as "CPU, 2 threads, bf16 (measured 5.1x faster than fp32)"."""
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    elif device.type == "mps":
        where = "Apple GPU"
    else:
        threads = torch.get_num_threads()
        where = f"CPU, {threads} thread{'' if threads == 1 else 's'}"
    ratio = measure(device).ratio
    if dtype == torch.bfloat16:
        return f"{where}, bf16 (measured {ratio:.1f}x faster than fp32)" if ratio >= 1 else f"{where}, bf16"
    return f"{where}, fp32" + (" (bf16 was measured no faster)" if ratio < WORTH_IT else "")


def _product(device: torch.device, dtype: torch.dtype) -> Callable[[], None] | None:
    """A product in this format, run once to warm up; None on a device without the format."""
    try:
        left = torch.full((_ROWS, _WIDTH), 0.5, device=device, dtype=dtype)
        right = torch.full((_WIDTH, _WIDTH), 0.5, device=device, dtype=dtype)

        def run() -> None:
            torch.mm(left, right)
            _synchronise(device)

        run()
    except (RuntimeError, TypeError):
        return None
    return run


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
