"""Choose the next tokens from logits: penalty, temperature, cuts, and one uniform number a row.

Every row may have settings of its own. Its choice depends on its own logits, settings and number alone, never on
the rows beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from dpo_studio.core.settings import SamplingSettings

#: Most probable tokens looked at, in turns; the whole vocabulary is sorted only where they do not decide.
WINDOWS = (256, 4096)


class RowSettings:
    """Sampling settings of rows as columns, shape (rows, 1).

    Attributes:
        penalises: some row has a repetition penalty.
    """

    def __init__(self, rows: Sequence[SamplingSettings], device: torch.device) -> None:
        self._rows, self._device = list(rows), device
        self.penalises = any(row.repetition_penalty != 1 for row in rows)
        self.all_cold = all(row.temperature == 0 for row in rows)
        self.some_cold = any(row.temperature == 0 for row in rows)
        self.cold = self._column([row.temperature == 0 for row in rows], torch.bool)
        self.temperature = self._column([row.temperature or 1.0 for row in rows], torch.float32)
        self.penalty = self._column([row.repetition_penalty for row in rows], torch.float32)
        self.top_k = self._column([row.top_k for row in rows], torch.long)
        self.top_p = self._column([row.top_p for row in rows], _wide(device))
        self.min_p = self._column([row.min_p for row in rows], _wide(device))
        self.widest = max((row.top_k for row in rows), default=0)

    def take(self, rows: Sequence[int]) -> RowSettings:
        """Those of some rows."""
        return RowSettings([self._rows[row] for row in rows], self._device)

    def _column(self, values: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
        return torch.tensor(values, dtype=dtype, device=self._device)[:, None]


def choose_tokens(
    logits: torch.Tensor,
    sampling: SamplingSettings | RowSettings,
    uniforms: Sequence[float],
    *,
    seen: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token a row, and its log-probability under the logits as they are.

    The order is repetition penalty, temperature, top_k, top_p, min_p. Temperature 0 takes the most
    probable token after the penalty.

    Args:
        logits: shape (rows, vocabulary), float32.
        sampling: of each row, or the same for all.
        uniforms: a number in [0, 1) a row.
        seen: shape (rows, n): the tokens of prompt and answer so far, each once or more often.

    Returns:
        tokens, shape (rows,), and log-probabilities at temperature 1 without any cut, shape (rows,), nats.
    """
    if isinstance(sampling, SamplingSettings):
        sampling = RowSettings([sampling] * len(logits), logits.device)
    shaped = logits.clone() if sampling.all_cold else logits / sampling.temperature
    if seen is not None and sampling.penalises:
        scores = logits.gather(-1, seen)
        penalised = torch.where(scores > 0, scores / sampling.penalty, scores * sampling.penalty)
        shaped.scatter_(-1, seen, penalised / sampling.temperature)
    if sampling.all_cold:
        tokens = shaped.argmax(-1)
    else:
        tokens = _draw(shaped, sampling, uniforms)
        if sampling.some_cold:
            tokens = torch.where(sampling.cold[:, 0], shaped.argmax(-1), tokens)
    logps = logits.gather(-1, tokens[:, None])[:, 0] - _logsumexp(logits)
    return tokens, logps


def _logsumexp(rows: torch.Tensor) -> torch.Tensor:
    """Of each row, shape (rows,). Never of one alone: several threads would share its sum, and so round differently."""
    return (rows.repeat(2, 1) if len(rows) == 1 else rows).logsumexp(-1)[: len(rows)]


def _draw(scaled: torch.Tensor, sampling: RowSettings, uniforms: Sequence[float]) -> torch.Tensor:
    targets = torch.tensor(list(uniforms), dtype=torch.float64).to(_wide(scaled.device)).to(scaled.device)
    total = _logsumexp(scaled)[:, None]
    chosen = torch.zeros(len(scaled), dtype=torch.long, device=scaled.device)
    rows = torch.arange(len(scaled), device=scaled.device)
    vocabulary = scaled.shape[-1]
    for width in sorted({min(vocabulary, max(window, sampling.widest)) for window in WINDOWS} | {vocabulary}):
        some = scaled if len(rows) == len(scaled) else scaled.index_select(0, rows)
        whole = width == vocabulary
        values, tokens = some.sort(dim=-1, descending=True, stable=True) if whole else some.topk(width, dim=-1)
        settings = sampling if len(rows) == len(scaled) else sampling.take(rows.tolist())
        places, decided = _places(_probabilities(values, total[rows]), targets[rows], settings, whole=whole)
        found = tokens.gather(-1, places[:, None])[:, 0]
        chosen[rows[decided]] = found[decided]
        rows = rows[~decided]
        if not len(rows):
            break
    return chosen


def _places(
    probabilities: torch.Tensor, uniforms: torch.Tensor, sampling: RowSettings, *, whole: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where in descending probabilities each row's number falls, and whether more of them could not change it.

    Sums are those of a running sum, which do not depend on how many follow.

    Args:
        probabilities: shape (rows, n), the n greatest in descending order, of a sum of 1 over all.
        whole: these are all there are.
    """
    n = probabilities.shape[-1]
    reached = probabilities.cumsum(-1)
    cut = sampling.top_k > 0
    if sampling.widest:
        count = torch.where(cut, sampling.top_k.clamp(max=n), n)
        mass = torch.where(cut, reached.gather(-1, count - 1), 1.0)
        inside = torch.arange(n, device=probabilities.device) < count
        probabilities, reached = probabilities * inside / mass, reached / mass
        kept = inside & ((reached - probabilities < sampling.top_p) | (sampling.top_p >= 1))
    else:
        kept = (reached - probabilities < sampling.top_p) | (sampling.top_p >= 1)
    kept &= probabilities >= sampling.min_p * probabilities[:, :1]
    kept[:, 0] = True
    last = kept.sum(-1) - 1
    mass = reached.gather(-1, last[:, None])[:, 0]
    decided = ~kept[:, -1] | cut[:, 0] | whole
    uncut = ((sampling.top_p >= 1) & (sampling.min_p == 0))[:, 0] & ~cut[:, 0] & (not whole)
    mass = torch.where(uncut, 1.0, mass)
    decided = torch.where(uncut, uniforms < reached[:, -1], decided)
    below = (reached <= (uniforms * mass)[:, None]).sum(-1)
    return torch.minimum(below, last), decided


def _probabilities(values: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    return (values - total).exp().to(_wide(values.device))


def _wide(device: torch.device) -> torch.dtype:
    """The widest float of a device; MPS has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
