"""Attention over rows that hold several answers to one prompt: only the products that count.

A row `[prompt | y1 | … | yK | prompt | …]` under a mask computes every product of the row and throws most away.
On a CPU every group is computed by itself (see `group_attention`), on a CUDA GPU by blocks of the row (see
`block_attention`). Elsewhere each answer is laid behind its own copy of the prompt's queries, keys and values, and the
answers of a row are one batch of plain causal attention for the fused kernel; the answers' rows of the result go back
to their places in the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from .block_attention import Blocks, attend_in_blocks
from .group_attention import Groups, attend_in_groups
from .group_places import group_of

NAME = "dpo_studio_segments"
#: Devices on which groups are computed one by one; a GPU wants few large operations.
IN_GROUPS_ON = frozenset({"cpu"})


@dataclass(frozen=True, slots=True)
class Segments:
    """Which places of a row attend to one another.

    Attributes:
        take: (segments · longest,) for each place of each segment, the place in the row; padding repeats place 0.
        give: (length,) for each place of the row, its place among the segments'.
        count, longest: the shape of the batch of segments.
        groups: the same by groups, for a CPU.
    """

    take: Tensor
    give: Tensor
    count: int
    longest: int
    groups: Groups


@dataclass(slots=True)
class Probe:
    """Passed in the place of segments, it counts the layers whose attention was given it.

    Attributes:
        heads: the kinds (heads, shared heads, width) of all layers.
        plain: whether no layer asked for dropout or a soft cap.
    """

    layers: int = 0
    heads: set[tuple[int, int, int]] = field(default_factory=set)
    plain: bool = True


def takes_segments(model: Any) -> Probe | None:
    """What every layer's attention is given, if this model hands extra arguments of its forward to all of them.

    The model is then set to NAME.
    """
    before = model.config._attn_implementation
    if before not in ("sdpa", NAME):
        return None
    model.config._attn_implementation = NAME
    probe = Probe()
    device = next(model.parameters()).device
    one = torch.zeros(1, 1, dtype=torch.long, device=device)
    with torch.no_grad():
        model.base_model(input_ids=one, attention_mask=None, position_ids=one, use_cache=False, segments=probe)
    if probe.layers == model.config.num_hidden_layers:
        return probe
    model.config._attn_implementation = before
    return None


def segments_of(parts: Sequence[tuple[range, Sequence[range]]], length: int, *, device: torch.device) -> Segments:
    """The segments of a row.

    Args:
        parts: for each group the places of its prompt and of each of its completions.
        length: of the row, in which tokens that fill it up may follow the groups where attention is in groups.
    """
    places: list[list[int]] = []
    give: dict[int, tuple[int, int]] = {}
    for prompt, completions in parts:
        for number, completion in enumerate([part for part in completions if part] or [range(0)]):
            segment = [*prompt, *completion]
            first = 0 if number == 0 else len(prompt)  # the prompt's own result is taken from the first segment
            for offset in range(first, len(segment)):
                give[segment[offset]] = (len(places), offset)
            places.append(segment)
    longest = max(len(segment) for segment in places)
    take = [place for segment in places for place in [*segment, *[0] * (longest - len(segment))]]
    back = [give[place][0] * longest + give[place][1] for place in range(len(give))]
    return Segments(
        torch.tensor(take, device=device),
        torch.tensor(back, device=device),
        count=len(places),
        longest=longest,
        groups=Groups([group_of(prompt, completions) for prompt, completions in parts], length),
    )


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    segments: Segments | Blocks | Probe | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it; without `segments` it is its own "sdpa".

    Args:
        query: (1, heads, length, width); key and value with as many or fewer heads.
    """
    if isinstance(segments, Probe):
        segments.layers += 1
        segments.heads.add((query.shape[1], key.shape[1], query.shape[-1]))
        segments.plain &= not options.get("dropout") and options.get("softcap") is None
    if not isinstance(segments, Segments | Blocks):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    scaling = options.get("scaling")
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if isinstance(segments, Blocks):
        return attend_in_blocks(query, key, value, segments, scaling), None
    if query.device.type in IN_GROUPS_ON and not options.get("dropout") and options.get("softcap") is None:
        return attend_in_groups(query, key, value, segments.groups, scaling), None
    query, key, value = (_gather(states, segments) for states in (query, key, value))
    options.pop("is_causal", None)
    out, _ = sdpa_attention_forward(module, query, key, value, None, is_causal=True, **options)
    flat = out.reshape(segments.count * segments.longest, *out.shape[2:])
    return flat.index_select(0, segments.give)[None], None


def _gather(states: Tensor, segments: Segments) -> Tensor:
    """(1, heads, length, width) to (segments, heads, longest, width)."""
    _, heads, _, width = states.shape
    taken = states[0].index_select(1, segments.take)
    return taken.view(heads, segments.count, segments.longest, width).transpose(0, 1)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
