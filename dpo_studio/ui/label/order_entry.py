"""The keys and drops of one judgement as a state machine, without Qt: which answers were placed, in what order.

Positions are those on screen, from 0. Turning them into the group's own order is `session`'s work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .drops import Beside, Insert, Out, Target

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


@dataclass(frozen=True, slots=True)
class _State:
    """Everything that a drop can change, so that it can be taken back."""

    buckets: Buckets
    strong: frozenset[int]
    ties_meant: bool
    waits_for_tie: bool
    earlier: bool


_ALL_PLACED = "All answers are placed: Enter saves the order, Backspace takes the last step back."


class OrderEntry:
    """An order in the making over `size` answers.

    Two answers take one key. More take the positions from best to worst: the last is implied as long
    as "=" was not pressed; once it was, every answer has to be placed, or Enter says that the rest
    are worse in an order nobody knows. A drop places one answer and never finishes: the person looks
    at what was built and presses Enter.

    Attributes:
        size: answers on screen.
        written: whether an answer of the person's own stands above all of them.
        waits_for_tie: "=" was pressed and the next number ties.
        touched: something was pressed or dropped, if only to be taken back.
    """

    def __init__(self, size: int, *, written: bool = False) -> None:
        self.size = size
        self.written = written
        self.waits_for_tie = self.touched = False
        self._finishing = 0  # answers that the step which finished the order placed
        self._buckets: list[list[int]] = []
        self._strong: set[int] = set()
        self._ties_meant = False
        self._earlier = False
        self._drops: list[tuple[_State, Buckets]] = []  # what was before each drop, and what it made

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
    def implies_last(self) -> bool:
        """Whether the last answer that is left is placed by itself: not once "=" was pressed."""
        return not self._ties_meant

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
        self.touched = True
        if not self.unplaced:
            return Response(hint=_ALL_PLACED)
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
            self._finishing = 2
            return Response(done=True)
        self._finishing = int(not left)
        return Response(done=not left)

    def tie(self) -> Response:
        """The key "=": of two, they are equal; of more, the next number ties with the one before.

        Pressed before any number, or twice, it only says that nothing is to be implied.
        """
        self._begin_anew()
        self.touched = True
        if self.is_pair:
            self._buckets, self._strong, self._finishing = [[0, 1]], set(), 2
            return Response(done=True)
        if not self.unplaced:
            return Response(hint=_ALL_PLACED)
        self.waits_for_tie = bool(self._buckets) and not self.waits_for_tie
        self._ties_meant = True
        return Response()

    def finish(self) -> Response:
        """Enter: what is unplaced is worse, its order unknown."""
        self.touched = True
        self.waits_for_tie, self._finishing = False, 0
        if not self._buckets and not self.written:
            return Response(hint="Press the number of the best answer first, or Space to skip.")
        return Response(done=True)

    def drop(self, position: int, target: Target, *, strong: bool = False) -> Response:
        """Put an answer where it was dropped; the others keep their order.

        As with the keys, the last one is implied as long as no tie was meant.
        """
        if position == getattr(target, "other", None):
            return Response()
        self.touched, self._finishing = True, 0
        before = self._state()
        buckets = [list(bucket) for bucket in self._buckets]
        if isinstance(target, Beside) and self.rank_of(target.other) is None:
            buckets.append([target.other])
        ties = _put(buckets, position, target)
        buckets = [bucket for bucket in buckets if bucket]
        if buckets == self._buckets and not strong:
            return Response()
        self._buckets, self._earlier, self.waits_for_tie = buckets, False, False
        self._ties_meant = (self._ties_meant or ties) and bool(buckets)
        if isinstance(target, Out):
            self._strong.discard(position)
        elif strong:
            self._strong.add(position)
        left = self.unplaced
        if len(left) == 1 and not self._ties_meant and not isinstance(target, Out):
            self._buckets.append(list(left))
        self._drops.append((before, self.buckets))
        return Response()

    def take_back(self) -> Response:
        """Backspace: the last "=", number or drop goes."""
        if self._drops and not self.waits_for_tie and self.buckets == self._drops[-1][1]:
            self._restore(self._drops.pop()[0])
            return Response()
        self._earlier, self.touched = False, True
        if self.waits_for_tie:
            self.waits_for_tie = False
        elif self._buckets:
            self._take_last()
        else:
            self._ties_meant = False
            return Response(hint="Nothing is placed yet; Z undoes the label before.")
        if not self._buckets:
            self._ties_meant = False
        return Response()

    def reopen(self) -> None:
        """Go back to before the step that finished the order: the last number and what it implied, or Enter."""
        for _ in range(self._finishing):
            self._take_last()
        self._finishing, self._drops = 0, []
        if not self._buckets:
            self._ties_meant = False

    def text(self) -> str:
        """The order as a line: "2 ≻ 1 = 4 ≻ …"; empty while nothing was pressed."""
        words = order_text(self._buckets, written=self.written)
        if self.waits_for_tie:
            return words + EQUAL + "…"
        if words and self.unplaced:
            return words + BETTER + "…"
        return words

    def _take_last(self) -> None:
        self._strong.discard(self._buckets[-1].pop())
        if not self._buckets[-1]:
            self._buckets.pop()

    def _state(self) -> _State:
        strong = frozenset(self._strong)
        return _State(self.buckets, strong, self._ties_meant, self.waits_for_tie, self._earlier)

    def _restore(self, state: _State) -> None:
        self._buckets, self._strong = [list(bucket) for bucket in state.buckets], set(state.strong)
        self._ties_meant, self.waits_for_tie, self._earlier = state.ties_meant, state.waits_for_tie, state.earlier

    def _begin_anew(self) -> None:
        if self._earlier:
            self._buckets, self._strong = [], set()
            self._ties_meant = self._earlier = False


def _put(buckets: list[list[int]], position: int, target: Target) -> bool:
    """Move a position within buckets, leaving an empty one where it stood alone; True when it now ties."""
    if isinstance(target, Insert):
        place, ties = target.place, False
    elif isinstance(target, Beside):
        place = next(place for place, bucket in enumerate(buckets) if target.other in bucket)
        place, ties = place + (target.side > 0), target.side == 0
    for bucket in buckets:
        if position in bucket:
            bucket.remove(position)
    if isinstance(target, Out):
        return False
    if ties:
        buckets[place].append(position)
    else:
        buckets.insert(place, [position])
    return ties


def order_text(buckets: Iterable[Iterable[int]], *, written: bool = False) -> str:
    """Buckets of positions in words: [[1], [0, 3]] is "2 ≻ 1 = 4"."""
    parts = [WRITTEN] if written else []
    parts += [EQUAL.join(str(position + 1) for position in bucket) for bucket in buckets]
    return BETTER.join(parts)
