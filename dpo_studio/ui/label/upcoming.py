"""Which comparison a person is shown next: the chosen order of what waits, and now and then one asked again. No Qt."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Group, GroupId, PolicyId
from dpo_studio.store import Project, completions, queue, repeats, scores, waits

#: The orders by name, with their words in the menu.
ORDERS = (
    ("imported", "As imported"),
    ("random", "Random"),
    ("informative", "Most informative first"),
    ("disputed", "Most disagreement first"),
)
#: Shares of items that can be asked again.
SHARES = (0, 5, 10)
_SEEDS = 2**31
_REPEAT_S = 0.05  # for another program's writing


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose.

    Attributes:
        order: a name of `ORDERS`.
        seed: of the random order.
        repeats: percent of the items that are asked again, one of `SHARES`.
    """

    order: str = "imported"
    seed: int = 0
    repeats: int = 0

    @classmethod
    def read(cls, text: str) -> Choice:
        """From the project's fact; what cannot be read is the default."""
        try:
            body = json.loads(text) if text else {}
            choice = cls(str(body["order"]), int(body["seed"]), int(body["repeats"])) if body else cls()
        except (ValueError, KeyError, TypeError):
            return cls()
        known = choice.order in dict(ORDERS) and choice.repeats in SHARES
        return choice if known else cls()

    def to_text(self) -> str:
        return json.dumps({"order": self.order, "seed": self.seed, "repeats": self.repeats})


class Upcoming:
    """What comes next for one person of one project.

    Attributes:
        choice: the order and the share of repeats, remembered in the project for each person.
    """

    def __init__(self, project: Project, annotator: str, chance: random.Random) -> None:
        self._project, self._annotator, self._chance = project, annotator, chance
        self._fact = f"label_queue:{annotator}"
        self.choice = Choice.read(project.fact(self._fact))
        self._line: deque[GroupId] = deque()
        self._fetched_up_to = GroupId(0)
        self._until_repeat = 0
        self._left_of_block = 0
        self._policy_id: PolicyId | None = None
        self.start_again()

    def choose(self, *, order: str | None = None, repeats: int | None = None) -> None:
        """Take another order or another share of repeats, and remember it.

        Raises:
            UserError: it could not be written; everything stays as it was.
        """
        now = self.choice
        chosen = Choice(
            order or now.order,
            self._chance.randrange(_SEEDS) if order == "random" else now.seed,
            now.repeats if repeats is None else repeats,
        )
        self._project.set_fact(self._fact, chosen.to_text())
        self.choice = chosen
        self.start_again()

    def take_over(self, choice: Choice) -> None:
        """Go on with a choice that was made before the person's name was known.

        Raises:
            UserError: it could not be written; everything stays as it was.
        """
        if choice not in (self.choice, Choice()):
            self._project.set_fact(self._fact, choice.to_text())
            self.choice = choice
            self.start_again()

    def start_again(self) -> None:
        """Make the order afresh: groups or scores came, or it was used up."""
        self._line = deque(self._ordered())
        self._fetched_up_to = GroupId(0)

    @property
    def is_ordered(self) -> bool:
        """Whether the chosen order has anything to go by; without that it is as imported."""
        return bool(self._line)

    @property
    def is_outdated(self) -> bool:
        """Whether it goes by the scores of a model that is no longer the current one."""
        return self.choice.order == "informative" and self._policy_id != self._current_policy_id()

    def next(self, held: Collection[GroupId]) -> Group | None:
        """The next comparison that is not held already; None when nothing waits."""
        waiting = self._waiting(held)
        if waiting is None:
            return None
        again = self._repeat()
        if again is not None:
            self._line.appendleft(waiting.id)
        return again or waiting

    def _current_policy_id(self) -> PolicyId | None:
        policy = scores.current_policy(self._project)
        return None if policy is None else policy.id

    def _ordered(self) -> list[GroupId]:
        project, who = self._project, self._annotator
        if self.choice.order == "random":
            return queue.at_random(project, who, self.choice.seed)
        if self.choice.order == "informative":
            self._policy_id = self._current_policy_id()
            return [] if self._policy_id is None else queue.most_informative(project, who, self._policy_id)
        return queue.most_disputed(project, who) if self.choice.order == "disputed" else []

    def _waiting(self, held: Collection[GroupId]) -> Group | None:
        while self._line:
            group_id = self._line.popleft()
            if group_id not in held and waits.is_waiting(self._project, self._annotator, group_id):
                return completions.get_group(self._project, group_id)
        for after in (self._fetched_up_to, None):
            for group_id in waits.ids(self._project, self._annotator, after=after, limit=len(held) + 1):
                if group_id not in held:
                    self._fetched_up_to = group_id
                    return completions.get_group(self._project, group_id)
        return None

    def _repeat(self) -> Group | None:
        """One in each 10 or 20 items, at a place that nobody can foresee; None where it is not its turn."""
        if not self.choice.repeats:
            return None
        if not self._left_of_block:
            self._left_of_block = 100 // self.choice.repeats
            self._until_repeat = self._chance.randrange(self._left_of_block)
        due = self._until_repeat == 0
        self._left_of_block -= 1
        self._until_repeat -= 1
        if not due:
            return None
        try:
            with self._project.patience(_REPEAT_S):
                return repeats.make(self._project, self._annotator, self._chance)
        except UserError:
            return None  # it can wait; whoever labels cannot
