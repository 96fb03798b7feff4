"""What a field of the form is, and the fields that only some methods have."""

from __future__ import annotations

from dataclasses import dataclass

from dpo_studio.core.methods import METHOD_SETTINGS, METHODS


@dataclass(frozen=True, slots=True)
class Field:
    """One setting on the form.

    Attributes:
        choices: values and their words; empty for a number.
        words: it holds words and not a number.
        only_with: the setting and the value of it without which this one is not read.
    """

    name: str
    label: str
    help: str
    choices: tuple[tuple[str, str], ...] = ()
    words: bool = False
    only_with: tuple[str, str] = ("", "")

    def matters_for(self, method: str) -> bool:
        """Whether the method reads it."""
        return self.name not in METHOD_SETTINGS or self.name in METHODS[method].uses

    def choices_for(self, method: str) -> tuple[tuple[str, str], ...]:
        """The choices that the method admits."""
        if self.name != "strength_use":
            return self.choices
        return tuple(choice for choice in self.choices if choice[0] in ("off", *METHODS[method].strength_uses))


METHOD_FIELDS: tuple[Field, ...] = (
    Field("beta", "Beta", "holds the model near where it began; higher holds more"),
    Field(
        "stage_reduction",
        "Long rankings",
        "what a long ranking counts beside a pair",
        (("mean", "count as short ones"), ("sum", "count more")),
    ),
    Field("label_smoothing", "Label smoothing", "the share of your labels that may be wrong, below 0.5"),
    Field("penalty", "Penalty", "what it costs when a better answer grows less likely"),
    Field("ld_alpha", "Extra length", "what tokens past the shorter answer's end count; 1 is DPO, 0 nothing"),
    Field("gamma_beta_ratio", "Gap asked for", "how many nats a token the better answer is to be above the worse"),
    Field("nu", "Ties", "how likely equally good answers are to be tied; higher is likelier"),
    Field("desirable_weight", "Weight of the best", "what a good answer counts"),
    Field("undesirable_weight", "Weight of the last", "what a bad answer counts"),
    Field("odds_weight", "Weight of the odds", "what the worse answer counts beside imitating the better one"),
    Field("unlikelihood_alpha", "Weight of the worse", "what making the worse answer less likely counts"),
    Field("nll_weight", "Imitate the best", "also makes the best answer likelier; 0 is off, 1 is usual"),
    Field(
        "strength_use",
        "“Much better” is",
        "what a strong label does; “trusted more” also goes by how sure you said you were",
        (
            ("off", "as any other"),
            ("margin", "a wider gap"),
            ("weight", "counted more"),
            ("smoothing", "trusted more"),
        ),
    ),
    Field(
        "strength_alpha",
        "Width of the gap",
        "multiplies the gap that is asked of a label, wider for “much better”",
        only_with=("strength_use", "margin"),
    ),
)
