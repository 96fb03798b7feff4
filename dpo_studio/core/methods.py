"""The training methods: what each is called, when one would want it, what it reads, and which data it can use.

Plain words and plain tuples, so that the window and the command line know all of this without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from . import ranking
from .errors import UserError

#: β of DPO and PL-DPO on a small labelled set: the papers' 0.1 lets the best answers get unlikely at a rate at which
#: a tone is learnt (tests/benchmarks/LOG.md).
RECOMMENDED_BETA = 0.3
_PAIR_OPTIONS = ("nll_weight", "strength_use")
_MARGIN_OPTIONS = (*_PAIR_OPTIONS, "strength_alpha")


@dataclass(frozen=True, slots=True)
class Method:
    """One way of training on rankings.

    Attributes:
        title: its name for people.
        sentence: what it does and when one would want it.
        paper: an arXiv number, or what else it is known from.
        uses: the settings that it reads besides those that all methods read.
        defaults: where it wants another default than the settings have.
        strength_uses: what the strength of a label can be used for.
        reads_ties: a tie is evidence that answers are equally good, not only that nothing is known.
        fewest_prompts: different prompts with an ordered ranking, at least.
        needs_tokens: the log-probability of every token, not only their sum.
        most_answers: answers of a group, at most, where there is a limit.
    """

    title: str
    sentence: str
    paper: str
    uses: tuple[str, ...]
    defaults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    strength_uses: tuple[str, ...] = ("weight",)
    reads_ties: bool = False
    fewest_prompts: int = 1
    needs_tokens: bool = False
    most_answers: int | None = None


#: By name, the two that most people want first.
METHODS: dict[str, Method] = {
    "pl_dpo": Method(
        "PL-DPO",
        "Learns from each ranking as a whole, ties included. Best where you ranked three or more.",
        "arXiv 2305.18290, appendix A.3",
        ("beta", "stage_reduction", *_PAIR_OPTIONS),
        MappingProxyType({"beta": RECOMMENDED_BETA}),
        most_answers=10,  # its table has 2 to the power of this many entries a group
    ),
    "dpo": Method(
        "DPO",
        "Takes each ranking apart into better/worse pairs. The same as PL-DPO where you compared two.",
        "arXiv 2305.18290",
        ("beta", "label_smoothing", *_MARGIN_OPTIONS),
        MappingProxyType({"beta": RECOMMENDED_BETA}),
        strength_uses=("margin", "weight", "smoothing"),
    ),
    "robust": Method(
        "Robust DPO",
        "For labels of which you know that a certain share is the wrong way round.",
        "arXiv 2403.00409",
        ("beta", "label_smoothing", *_MARGIN_OPTIONS),
        MappingProxyType({"label_smoothing": 0.1}),
        strength_uses=("margin", "weight"),
    ),
    "ipo": Method(
        "IPO",
        "Draws every pair to one gap a token (lengths are averaged), and no further: for few labels, learnt by heart.",
        "arXiv 2310.12036",
        ("beta", *_PAIR_OPTIONS),
    ),
    "hinge": Method(
        "SLiC hinge",
        "Leaves a pair alone once it is far enough apart, so that the rest of the training goes to the others.",
        "arXiv 2309.06657",
        ("beta", *_MARGIN_OPTIONS),
        MappingProxyType({"beta": 0.05}),
        strength_uses=("margin", "weight"),
    ),
    "dpop": Method(
        "DPO-Positive",
        "Holds the better answers as likely as they were: for pairs that differ in a few words only.",
        "arXiv 2402.13228",
        ("beta", "penalty", *_MARGIN_OPTIONS),
        strength_uses=("margin", "weight"),
    ),
    "ld_dpo": Method(
        "LD-DPO",
        "Counts what is past the shorter answer's length less: for when answers only grow longer or shorter.",
        "arXiv 2409.06411",
        ("beta", "ld_alpha", *_MARGIN_OPTIONS),
        strength_uses=("margin", "weight"),
        needs_tokens=True,
    ),
    "simpo": Method(
        "SimPO",
        "Compares the mean log-probability per token, without the starting model: when length is being learnt.",
        "arXiv 2405.14734",
        ("beta", "gamma_beta_ratio", *_PAIR_OPTIONS),
        MappingProxyType({"beta": 2.0}),
    ),
    "rao_kupper": Method(
        "DPO with ties, Rao–Kupper",
        "Reads a tie as “equally good” and keeps such answers together: for rankings with many honest ties.",
        "arXiv 2409.17431",
        ("beta", "nu", *_PAIR_OPTIONS),
        reads_ties=True,
    ),
    "davidson": Method(
        "DPO with ties, Davidson",
        "As Rao–Kupper, with ties that grow rarer more slowly as answers draw apart.",
        "arXiv 2409.17431",
        ("beta", "nu", *_PAIR_OPTIONS),
        MappingProxyType({"nu": 1.0}),
        reads_ties=True,
    ),
    "kto": Method(
        "KTO",
        "Takes the best answers as good and the last as bad, each for itself: when the pairs say little.",
        "arXiv 2402.01306",
        ("beta", "desirable_weight", "undesirable_weight", *_PAIR_OPTIONS),
        fewest_prompts=2,
    ),
    "orpo": Method(
        "ORPO",
        "Imitates the better answer and pushes the worse one away a little, without the starting model.",
        "arXiv 2403.07691",
        ("odds_weight", "strength_use"),
    ),
    "preferred_ft": Method(
        "Imitate the best",
        "Ordinary fine-tuning on each best answer: the yardstick that the others have to beat.",
        "arXiv 2305.18290, section 6",
        ("strength_use",),
    ),
    "unlikelihood": Method(
        "Unlikelihood",
        "Makes the worse answer less likely without a limit: a yardstick only; long runs end in nonsense.",
        "arXiv 2305.18290, section 6",
        ("unlikelihood_alpha", "strength_use"),
    ),
}
MAIN_METHODS = ("pl_dpo", "dpo")

#: The settings that only some methods read.
METHOD_SETTINGS = frozenset(name for method in METHODS.values() for name in method.uses)


def reward_beta(method: str, beta: float) -> float:
    """The β of the rewards that are shown: the method's where it weighs log(π_θ/π_ref), else the usual 0.1."""
    known = METHODS.get(method)
    weighs_ratios = known is None or ("beta" in known.uses and method != "simpo")
    return beta if weighs_ratios else 0.1


def is_usable(method: str, ranks: Sequence[int | None]) -> bool:
    """Whether a ranking tells the method something: an order, or a tie for a method that reads ties."""
    ranked = [rank for rank in ranks if rank is not None]
    tied = len(set(ranked)) < len(ranked)
    return ranking.is_trainable(ranks) or (METHODS[method].reads_ties and tied)


def check_data(method: str, rankings: Sequence[Sequence[int | None]], *, prompts: int) -> None:
    """Refuse a set of training rankings, those left out already gone, that the method can learn nothing from.

    Args:
        rankings: the ranks of each group.
        prompts: different prompts among those whose rankings order something.

    Raises:
        UserError: with what to do about it.
    """
    title = METHODS[method].title
    if not rankings:
        raise UserError("There is nothing to train on.", "Rank the answers to a few prompts first.")
    if not any(ranking.is_trainable(ranks) for ranks in rankings):
        raise UserError(
            f"{title} learns from differences, and every ranking is a complete tie.",
            "Rank at least one answer above another.",
        )
    fewest = METHODS[method].fewest_prompts
    if prompts < fewest:
        raise UserError(
            f"{title} compares answers with answers to other prompts, so it needs rankings on {fewest} different "
            f"prompts at least, and here {'is' if prompts == 1 else 'are'} {prompts}.",
            "Rank the answers to another prompt, or choose another method.",
        )
