"""A row's layers recorded once and replayed, forward and backward, on a CUDA GPU.

A small model's layers are thousands of operations of some microseconds each, and starting them from Python takes
several times as long as computing them. As a CUDA graph they are started at once. A recording is of one length of
row, with an adapter that is on and without dropout; the weights are read where they are, so it goes on after every
update of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .memory import is_out_of_memory

#: A recording is made when a length is met for this many times.
_WORTH_IT = 3
#: Weights times tokens up to which starting the operations takes longer than computing them.
_SMALL = 6e12
_WARM_UPS = 2

#: From the tensors of a row to its hidden states (length, hidden).
Layers = Callable[[Sequence[Tensor]], Tensor]


class Replays:
    """The recordings of one model, by the length of the row.

    Args:
        trained: the parameters that get a gradient.
        weights: how many the model has.
    """

    def __init__(self, trained: Sequence[torch.nn.Parameter], *, weights: int) -> None:
        self._trained, self._weights = list(trained), weights
        self._met: Counter[int] = Counter()
        self._recordings: dict[int, _Recording] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self.off = False

    def hidden(self, length: int, inputs: Sequence[Tensor], layers: Layers) -> Tensor | None:
        """The hidden states of a row, with gradients to the trained parameters; None where it is not recorded.

        The last row's are overwritten by the next one's, so its backward pass must have been run by then.

        Args:
            inputs: of the same shapes for all rows of this length.
            layers: gives the same for rows of this length and the same inputs.
        """
        if self.off or self._weights * length > _SMALL:
            return None
        if length not in self._recordings:
            self._met[length] += 1
            if self._met[length] < _WORTH_IT or not self._record(length, inputs, layers):
                return None
        recording = self._recordings[length]
        recording.take(inputs)
        return _Replay.apply(recording, *self._trained)

    def _record(self, length: int, inputs: Sequence[Tensor], layers: Layers) -> bool:
        try:
            self._recordings[length] = _Recording(layers, self._trained, inputs, self._pool)
        except RuntimeError as error:  # an operation that cannot be recorded, or memory
            self.off = True
            if is_out_of_memory(error):
                self.forget()
        return not self.off

    def forget(self) -> None:
        """Give the recordings' memory back and make no more."""
        self.off = True
        self._recordings.clear()
        torch.cuda.empty_cache()


class _Recording:
    """Two graphs over tensors that stay where they are."""

    def __init__(
        self, layers: Layers, trained: Sequence[torch.nn.Parameter], inputs: Sequence[Tensor], pool: Any
    ) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._shapes = [parameter.shape for parameter in trained]
        self._sizes = [parameter.numel() for parameter in trained]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                hidden = layers(self._inputs)
                self._gradients(hidden, trained, torch.zeros_like(hidden))
            del hidden
        torch.cuda.current_stream().wait_stream(stream)
        self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._forward, pool=pool, capture_error_mode="thread_local"):
            self._hidden = layers(self._inputs)
        self._by_hidden = torch.zeros_like(self._hidden)
        with torch.cuda.graph(self._backward, pool=pool, capture_error_mode="thread_local"):
            self._by_trained = self._gradients(self._hidden, trained, self._by_hidden)
        self._hidden = self._hidden.detach()

    @staticmethod
    def _gradients(hidden: Tensor, trained: Sequence[Tensor], by_hidden: Tensor) -> Tensor:
        """One after the other in one tensor."""
        found = torch.autograd.grad(hidden, trained, by_hidden, allow_unused=True)
        whole = [torch.zeros_like(p) if g is None else g for p, g in zip(trained, found, strict=True)]
        return torch.cat([gradient.flatten() for gradient in whole])

    def take(self, inputs: Sequence[Tensor]) -> None:
        torch._foreach_copy_(self._inputs, list(inputs))

    def forward(self) -> Tensor:
        self._forward.replay()
        return self._hidden

    def backward(self, by_hidden: Tensor) -> list[Tensor]:
        self._by_hidden.copy_(by_hidden)
        self._backward.replay()
        parts = self._by_trained.clone().split(self._sizes)
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, recording: _Recording, *trained: Tensor) -> Tensor:
        ctx.recording = recording
        hidden = recording.forward()
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.recording.backward(grads[0])
