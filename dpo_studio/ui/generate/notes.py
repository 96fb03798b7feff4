"""What is worth knowing of a group's answers: cut by the limit, the same, drawn again. No Qt, no store."""

from __future__ import annotations

from collections.abc import Sequence

from dpo_studio.core.seeds import candidate_seed
from dpo_studio.core.types import Completion, Group

_MOST_ATTEMPTS = 8


def notes_on(group: Group) -> list[str]:
    """Sentences about the answers that a group has, the most important first; often none."""
    answers = group.completions
    notes = []
    cut = sum(answer.finish_reason == "length" for answer in answers)
    if cut:
        were = "was" if cut == 1 else "were"
        notes.append(f"{cut} of {len(answers)} {were} cut by the token limit (see Numbers…).")
    notes += _same(answers)
    again = [_number(answer) for answer in answers if drawn_again(group, answer)]
    if again:
        was = "was drawn again, for it" if len(again) == 1 else "were drawn again, for each"
        notes.append(f"{_listed(again)} {was} had come out like another one.")
    return notes


def drawn_again(group: Group, answer: Completion) -> bool:
    """Whether an answer is not what was drawn first: its seed is that of a later attempt."""
    asked = (answer.sampling or {}).get("seed")
    if answer.token_ids is None or answer.seed is None or asked is None:
        return False
    attempts = range(1, _MOST_ATTEMPTS)
    return any(
        answer.seed == candidate_seed(asked, group.prompt.messages, answer.candidate, attempt) for attempt in attempts
    )


def _same(answers: Sequence[Completion]) -> list[str]:
    by_text: dict[str, list[Completion]] = {}
    for answer in answers:
        by_text.setdefault(answer.text.strip(), []).append(answer)
    notes = []
    for alike in by_text.values():
        if len(alike) > 1:
            greedy = all((answer.sampling or {}).get("temperature") == 0 for answer in alike)
            why = "at temperature 0 there is no other" if greedy else "a higher temperature would vary them"
            notes.append(f"{_listed([_number(answer) for answer in alike])} are the same: {why}.")
    return notes


def _number(answer: Completion) -> int:
    return answer.candidate + 1


def _listed(numbers: Sequence[int]) -> str:
    """Such as "Answer 2", or "Answers 1, 3 and 4"."""
    if len(numbers) == 1:
        return f"Answer {numbers[0]}"
    return f"Answers {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
