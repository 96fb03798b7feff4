"""What is known of a running generation: texts so far, states, speed, time left. No Qt, no store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from dpo_studio.core import commands, events
from dpo_studio.core.types import Completion, Group

from .thread import TokenBurst

CandidateState = Literal["waiting", "writing", "finished", "stopped", "cut", "refused"]

#: Tokens of an answer that is taken to have come before the first, as a share of the limit.
_FIRST_GUESS = 0.6
#: Tokens from which a speed is told.
_FEWEST_TOKENS = 8


def ended(finish_reason: str) -> CandidateState:
    """The state of an answer that came to its end in this way (core.types.FinishReason)."""
    states: dict[str, CandidateState] = {"length": "cut", "stop_string": "stopped"}
    return states.get(finish_reason, "finished")


@dataclass(slots=True)
class Candidate:
    """One answer of a group as it stands."""

    state: CandidateState = "waiting"
    text: str = ""
    tokens: int = 0

    @classmethod
    def of(cls, completion: Completion) -> Candidate:
        """A stored completion."""
        return cls(ended(completion.finish_reason), completion.text, len(completion.token_ids or ()))


def candidates_of(group: Group) -> list[Candidate]:
    """The candidates of a stored group by index, those it waits for included."""
    taken = {completion.candidate: completion for completion in group.completions}
    count = max(group.size, max(taken, default=-1) + 1)
    return [Candidate.of(taken[index]) if index in taken else Candidate() for index in range(count)]


@dataclass(slots=True)
class Progress:
    """Follows the events of a generation job.

    Attributes:
        total, done: answers asked for and finished.
        planned: answers that are to be asked for in all, where that is known; else 0.
        live: by group and candidate, the answers being written now.
        refused: by group, why it could not be answered.
        current: the group that is written now, None between two.
    """

    max_new_tokens: int
    planned: int = 0
    done: int = 0
    current: int | None = None
    live: dict[tuple[int, int], Candidate] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    _left: dict[int, set[int]] = field(default_factory=dict)
    _expected: int = 0
    _refused: int = 0
    _uncut: int = 0
    _finished_tokens: int = 0
    _started_s: float | None = None
    _last_s: float = 0.0
    _paused_s: float | None = None

    def expect(self, items: Iterable[commands.GenerationItem]) -> None:
        """Take up what a command asks for."""
        for item in items:
            self._left.setdefault(item.group, set()).update(item.candidates)
            self._expected += len(item.candidates)

    def apply(self, event: events.Event, now_s: float) -> None:
        """Take in what the worker says; `now_s` is a monotonic clock's."""
        if isinstance(event, events.ModelLoaded) and not self._finished_tokens:
            self._started_s = now_s
        elif isinstance(event, TokenBurst):
            self._tick(now_s)
            self.current = event.group if self.current is None else self.current  # one of several stays in view
            candidate = self.live.setdefault((event.group, event.candidate), Candidate())
            candidate.state = "writing"
            candidate.text += event.text
            candidate.tokens += event.tokens
        elif isinstance(event, events.CompletionFinished):
            self._tick(now_s)
            self.done += 1
            self._uncut += event.finish_reason != "length"
            streamed = self.live.get((event.group, event.candidate), Candidate()).tokens
            self._finished_tokens += len(event.token_ids) or streamed  # a server gives no ids
            self.live[event.group, event.candidate] = Candidate(
                ended(event.finish_reason), event.text, len(event.token_ids)
            )
            self._left.get(event.group, set()).discard(event.candidate)
        elif isinstance(event, events.GroupFinished):
            self._forget(event.group)
        elif isinstance(event, events.GroupRefused):
            self.refused[event.group] = f"{event.message} {event.hint}".strip()
            self._refused += len(self._left.get(event.group, ()))
            self._forget(event.group)

    def pause(self, now_s: float) -> None:
        """Nothing is written from now on; the time until `resume` counts for nothing."""
        self._paused_s = now_s

    def resume(self, now_s: float) -> None:
        """It goes on."""
        if self._paused_s is not None and self._started_s is not None:
            self._started_s += now_s - self._paused_s
            self._last_s += now_s - self._paused_s
        self._paused_s = None

    @property
    def total(self) -> int:
        return max(self.planned, self._expected) - self._refused

    @property
    def written_now(self) -> set[int]:
        """The groups that have an answer in the middle of being written."""
        return {group for (group, _), candidate in self.live.items() if candidate.state == "writing"}

    @property
    def fraction(self) -> float:
        """From 0 to 1, answers that are being written counted in part."""
        if not self.total:
            return 0.0
        part = sum(c.tokens / max(c.tokens + self._more_tokens(c.tokens), 1.0) for c in self._writing())
        return min((self.done + part) / self.total, 1.0)

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second since the model was there, or None while that cannot be told: the first take longest."""
        if self._started_s is None or self._last_s - self._started_s < 0.5 or self._tokens < _FEWEST_TOKENS:
            return None
        return self._tokens / (self._last_s - self._started_s)

    @property
    def time_left_s(self) -> float | None:
        """Seconds left by measured speed, or None while it cannot be told."""
        speed = self.tokens_per_s
        if not speed:
            return None
        writing = [self._more_tokens(c.tokens) for c in self._writing()]
        waiting = max(self.total - self.done - len(writing), 0)
        return (sum(writing) + waiting * self._more_tokens(0)) / speed

    @property
    def _tokens(self) -> int:
        return self._finished_tokens + sum(c.tokens for c in self._writing())

    def _more_tokens(self, tokens: int) -> float:
        """How many more are expected of an answer with so many.

        An answer is taken to end with the same probability at every token: as many as ended by themselves, of all that
        were written. To count finished answers alone would take the short ones, which are finished first, for all.
        """
        to_the_end = (self._tokens + self.max_new_tokens * _FIRST_GUESS) / (self._uncut + 1)
        room = max(self.max_new_tokens - tokens, 0)
        return to_the_end * -math.expm1(-room / to_the_end)

    def _writing(self) -> list[Candidate]:
        return [candidate for candidate in self.live.values() if candidate.state == "writing"]

    def _tick(self, now_s: float) -> None:
        if self._started_s is None:
            self._started_s = now_s
        self._last_s = now_s

    def _forget(self, group: int) -> None:
        self._left.pop(group, None)
        if self.current == group:
            self.current = None
        for key in [key for key in self.live if key[0] == group]:
            del self.live[key]
