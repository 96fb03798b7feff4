"""What a merge added, in numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Merged:
    """What a merge added.

    Attributes:
        rankings: rows of judgements, corrections and undos among them.
        held_out: prompts that were for training here and are held out now, since the other copy held them out.
        runs_left: runs of the other copy, which are not copied.
    """

    prompts: int = 0
    policies: int = 0
    groups: int = 0
    completions: int = 0
    rankings: int = 0
    held_out: int = 0
    runs_left: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    def sentence(self) -> str:
        """What came in, for a person."""
        new = (
            (self.rankings, "judgement"),
            (self.prompts, "new prompt"),
            (self.groups, "new comparison"),
            (self.completions, "new answer"),
        )
        parts = [_counted(number, what) for number, what in new if number]
        if parts:
            said = f"Merged {', '.join(parts[:-1])} and {parts[-1]}." if len(parts) > 1 else f"Merged {parts[0]}."
        else:
            said = "Nothing was new: everything that copy holds is here already."
        if self.held_out:
            said += f" Held out now, as in the other copy: {_counted(self.held_out, 'prompt')}."
        if self.runs_left:
            said += f" Not copied: {_counted(self.runs_left, 'run')}, which stay in the other copy's folder."
        return said


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
