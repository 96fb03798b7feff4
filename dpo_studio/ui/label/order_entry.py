"""The keys of one judgement as a state machine, without Qt: which answers were placed, in what order.

Positions are those on screen, from 0. Turning them into the group's own order is `session`'s work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BETTER, EQUAL, WRITTEN = " ≻ ", " = ", "✎"

Buckets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Response:
    """What a key did.

    Attributes:
        done: the order is complete and is to be saved.
        hint: a sentence for the person when the key could do nothing.
    """

    done: bool = False
    hint: str = ""


class OrderEntry:
    """An order in the making over `size` answers.

    Two answers take one key. More take the positions from best to worst: the last is implied as long
    as "=" was not pressed; once it was, every answer has to be placed, or Enter says that the rest
    are worse in an order nobody knows.

    Attributes:
        size: answers on screen.
        written: whether an answer of the person's own stands above all of them.
        waits_for_tie: "=" was pressed and the next number ties.
    """

    def __init__(self, size: int, *, written: bool = False) -> None:
        self.size = size
        self.written = written
        self.waits_for_tie = False
        self._buckets: list[list[int]] = []
        self._strong: set[int] = set()
        self._ties_meant = False
        self._earlier = False

    @classmethod
    def of_earlier(cls, size: int, buckets: Sequence[Sequence[int]], *, strength: int = 1) -> OrderEntry:
        """The order of an earlier judgement: shown until the first number begins a new one."""
        entry = cls(size)
        entry._buckets = [list(bucket) for bucket in buckets]
        entry._ties_meant = any(len(bucket) > 1 for bucket in buckets)
        if strength > 1 and entry._buckets:
            entry._strong = {entry._buckets[0][0]}
        entry._earlier = True
        return entry

    @property
    def is_pair(self) -> bool:
        return self.size == 2

    @property
    def is_earlier(self) -> bool:
        """Whether this is still the earlier judgement, untouched."""
        return self._earlier

    @property
    def buckets(self) -> Buckets:
        """The placed positions, best bucket first."""
        return tuple(tuple(bucket) for bucket in self._buckets)

    @property
    def strength(self) -> int:
        """2 when a key was pressed with Shift ("much better"), else 1."""
        return 2 if self._strong else 1

    @property
    def unplaced(self) -> tuple[int, ...]:
        placed = {position for bucket in self._buckets for position in bucket}
        return tuple(position for position in range(self.size) if position not in placed)

    def rank_of(self, position: int) -> int | None:
        """The place of a position so far, from 1 (the person's own answer, if any, takes the first)."""
        for place, bucket in enumerate(self._buckets, 2 if self.written else 1):
            if position in bucket:
                return place
        return None

    def press(self, position: int, *, strong: bool = False) -> Response:
        """Place the next answer."""
        if not 0 <= position < self.size:
            return Response(hint=f"There are {self.size} answers: press 1 to {self.size}.")
        self._begin_anew()
        if self.rank_of(position) is not None:
            return Response(hint=f"{position + 1} is placed already; Backspace takes the last one back.")
        if self.waits_for_tie and self._buckets:
            self._buckets[-1].append(position)
        else:
            self._buckets.append([position])
        self.waits_for_tie = False
        if strong:
            self._strong.add(position)
        left = self.unplaced
        if len(left) == 1 and not self._ties_meant:
            self._buckets.append(list(left))
            return Response(done=True)
        return Response(done=not left)

    def tie(self) -> Response:
        """The key "=": of two, they are equal; of more, the next number ties with the one before.

        Pressed before any number, or twice, it only says that nothing is to be implied.
        """
        self._begin_anew()
        if self.is_pair:
            self._buckets, self._strong = [[0, 1]], set()
            return Response(done=True)
        self.waits_for_tie = bool(self._buckets) and not self.waits_for_tie
        self._ties_meant = True
        return Response()

    def finish(self) -> Response:
        """Enter: what is unplaced is worse, its order unknown."""
        self.waits_for_tie = False
        if not self._buckets and not self.written:
            return Response(hint="Press the number of the best answer first, or Space to skip.")
        return Response(done=True)

    def take_back(self) -> Response:
        """Backspace: the last "=" or number goes."""
        self._earlier = False
        if self.waits_for_tie:
            self.waits_for_tie = False
        elif self._buckets:
            self._strong.discard(self._buckets[-1].pop())
            if not self._buckets[-1]:
                self._buckets.pop()
        else:
            self._ties_meant = False
            return Response(hint="Nothing is placed yet.")
        if not self._buckets:
            self._ties_meant = False
        return Response()

    def text(self) -> str:
        """The order as a line: "2 ≻ 1 = 4 ≻ …"; empty while nothing was pressed."""
        words = order_text(self._buckets, written=self.written)
        if self.waits_for_tie:
            return words + EQUAL + "…"
        if words and self.unplaced:
            return words + BETTER + "…"
        return words

    def _begin_anew(self) -> None:
        if self._earlier:
            self._buckets, self._strong = [], set()
            self._ties_meant = self._earlier = False


def order_text(buckets: Iterable[Iterable[int]], *, written: bool = False) -> str:
    """Buckets of positions in words: [[1], [0, 3]] is "2 ≻ 1 = 4"."""
    parts = [WRITTEN] if written else []
    parts += [EQUAL.join(str(position + 1) for position in bucket) for bucket in buckets]
    return BETTER.join(parts)
