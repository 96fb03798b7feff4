"""The trained weights as they were before the first step, to be put in their place for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .adapter import trainable


class FrozenWeights:
    """A copy of what is trained. With an adapter that is little, whichever round it is: a new adapter that adds
    nothing yet is the base, a continued one is the policy that the round began with.

    Weights are exchanged by copying in place, so that whoever refers to them (tied layers, the optimiser) still does.
    """

    def __init__(self, model: Any) -> None:
        """Copy the trainable weights of `model` as they stand."""
        self._pairs = [(parameter, parameter.detach().clone()) for _, parameter in trainable(model)]
        self._displaced: dict[int, Tensor] = {}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Context: the model computes as it did when the copy was made. The bits of both come back afterwards."""
        self._exchange()
        self._displaced = {id(parameter): held for parameter, held in self._pairs}
        try:
            yield
        finally:
            self._displaced = {}
            self._exchange()

    def displaced(self, weight: Tensor) -> Tensor:
        """While the frozen weights are in place: the present weight that this one stands for."""
        return self._displaced.get(id(weight), weight)

    @torch.no_grad()
    def _exchange(self) -> None:
        for parameter, held in self._pairs:
            present = parameter.detach().clone()
            parameter.copy_(held)
            held.copy_(present)
