"""One person's way through the queue: what is on screen, what comes next, saving, undo, going back. No Qt.

The queue is the store's; here are only the few items around the one on screen, so that an item that
was put aside (by an undo, or to look at an older label) comes back with its answers in the same places.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dpo_studio.core import ranking as weak_orders
from dpo_studio.core.types import Completion, CompletionId, Group, GroupId, Ranking
from dpo_studio.store import Project, completions, rankings, waits

from .drafts import Drafts
from .item import Item
from .order_entry import BETTER, OrderEntry, order_text
from .upcoming import Upcoming

_LOOK_BACK = 200
_OWN = "written"  # why a person's own answer came to its end


class Session:
    """The labelling of one project by its annotator. Use it from the thread that opened the project.

    Attributes:
        item: what is on screen; None when nothing waits.
        annotator: who labels.
        upcoming_groups: what comes next, and the order of it.
        overtaken: the label that the last save took the place of without its having been on screen: it was
            given in another window meanwhile. None otherwise.
        text_kept: something was written that the last label did not take in; it is there when that one is seen again.
    """

    def __init__(self, project: Project, *, shuffler: random.Random | None = None) -> None:
        self.project = project
        self.item: Item | None = None
        self.annotator = project.annotator
        self._shuffler = shuffler or random.SystemRandom()
        self.upcoming_groups = Upcoming(project, self.annotator, self._shuffler)
        self.overtaken: Ranking | None = None
        self.text_kept = False
        self._ahead: list[Item] = []
        self._just_saved: tuple[Item, Ranking] | None = None
        self._drafts = Drafts(project, self.annotator)

    def begin(self) -> Item | None:
        """Show the first of the queue, unless something is on screen.

        An earlier label comes first when the page was left while something was being written about it.
        """
        if self.item is None:
            self._move_on()
            over = self._drafts.over_on_screen()
            found = next((r for r in rankings.recent(self.project, limit=_LOOK_BACK) if r.uuid == over), None)
            if over and found is not None:
                self.revisit(found)
        return self.item

    def upcoming(self) -> Item | None:
        """What follows the item on screen; fetched once and kept."""
        if not self._ahead:
            held = {item.group.id for item in (self.item, *self._ahead) if item is not None}
            group = self.upcoming_groups.next(held)
            if group is not None:
                self._ahead.append(self._fresh(group))
        return self._ahead[0] if self._ahead else None

    def save(self, kind: str = "ranking", *, seconds: float | None = None) -> Ranking:
        """Write the judgement on the item on screen, then move on. Durable on return.

        Args:
            kind: "ranking" takes the order of the item's entry; "skip" and "all_bad" take none. With an answer of the
                person's own, "all_bad" is a ranking too: that one is better than all of them.
            seconds: time on screen this time.

        Raises:
            UserError: it could not be written; the item stays.
        """
        item = self.item
        assert item is not None, "there is nothing on screen to save"
        with self.project.transaction():
            group = item.group
            standing = rankings.current(self.project, group.id, self.annotator)
            placed, strength = item.entry.buckets, item.entry.strength
            if kind == "all_bad" and item.written:
                kind, placed, strength = "ranking", (), 1
            buckets = [[item.shown[position].id for position in bucket] for bucket in placed]
            if kind == "ranking" and item.written:
                own = self._own_answer(group, item.written)
                group = replace(group, completions=(*group.completions, own))
                buckets.insert(0, [own.id])
            saved = rankings.add(
                self.project,
                group,
                kind=kind,
                ranks=_ranks(group, buckets) if kind == "ranking" else (),
                presented=[completion.id for completion in item.shown],
                strength=strength if kind == "ranking" else 1,
                flags=item.flags,
                note=item.note.strip(),
                seconds=None if seconds is None else round(item.seconds + seconds, 2),
                confidence=item.confidence if kind == "ranking" else None,
            )
            drafted, rest = self._drafts.is_kept(item.group), item.left_over(saved)
            self._drafts.drop(item.group)
            if rest is not None:
                self._drafts.keep(item.group, rest)
            if drafted or rest is not None:
                self._drafts.write(None)
        expected = None if item.earlier is None else item.earlier.id
        self.overtaken = standing if standing is not None and standing.id != expected else None
        self.text_kept = rest is not None
        self._move_on()
        self._just_saved = item, saved
        return saved

    def undo(self) -> Ranking | None:
        """Take back the last judgement, of whatever day, and show its item again in the same order.

        An answer of the person's own that came with it, or was kept with it, is theirs to rank first again, or to
        change. The time that the label took goes on.
        """
        undone = rankings.undo(self.project)
        if undone is None:
            return None
        group = completions.get_group(self.project, undone.group_id)
        standing = rankings.current(self.project, group.id)
        self._put_aside(group.id)
        own = _written_with(group, undone)
        if own is not None:
            group = replace(group, completions=tuple(c for c in group.completions if c.id != own.id))
        if standing is not None:
            self.item = self._again(group, standing, presented=undone.presented)  # another window's may differ
        else:
            self.item = Item(
                group,
                _in_order(group, undone.presented),
                OrderEntry(len(group.completions)),
                note=undone.note,
                flags=undone.flags,
                confidence=undone.confidence,
            )
        kept = self._drafts.of(group, undone)
        written = own.text if own is not None else kept.written if kept is not None else ""
        if written:
            self.item.write(written)
        self.item.unfinished = kept.unfinished if kept is not None else self.item.unfinished
        self.item.seconds = undone.seconds or 0.0
        return undone

    @property
    def can_take_step_back(self) -> bool:
        """Whether a label was just given, and nothing was placed in the next item."""
        return self._just_saved is not None and (self.item is None or not self.item.entry.touched)

    def take_last_step_back(self) -> Ranking | None:
        """Undo the label that was just given and show its order as it was before the step that finished it."""
        assert self._just_saved is not None
        item, saved = self._just_saved
        undone = self.undo()
        if undone is not None and undone.id == saved.id and self.item is not None:
            self.item.entry = item.entry
            self.item.entry.reopen()
        return undone

    def look_elsewhere(self) -> str:
        """Move on where what is on screen waits no more: says why, or "".

        It was labelled in another window, or its prompt was archived. What was begun stays.
        """
        item = self.item
        if item is None or item.earlier is not None or item.begun or self._is_waiting(item):
            return ""
        labelled = rankings.current(self.project, item.group.id, self.annotator) is not None
        if item.out_of_turn and not labelled:
            return ""
        self._move_on()
        return "was labelled in another window" if labelled else "is archived now"

    def revisit(self, ranking: Ranking) -> Item:
        """Show a standing judgement's item again; saving it writes a row that takes its place."""
        group = completions.get_group(self.project, ranking.group_id)
        self._put_aside(group.id)
        self.item = self._again(group, ranking)
        return self.item

    def visit(self, group_id: GroupId) -> Item:
        """Show a group out of its turn: the person's label of it again, or else to be labelled now.

        Raises:
            UserError: there is no such group.
        """
        standing = rankings.current(self.project, group_id, self.annotator)
        if standing is not None:
            return self.revisit(standing)
        group = completions.get_group(self.project, group_id)
        self._put_aside(group_id)
        self.item = self._fresh(group)
        self.item.out_of_turn = True
        return self.item

    def back_to_queue(self) -> Item | None:
        """Leave an item that was looked at again, as it was, and with the text that was kept with it."""
        item = self.item
        if item is not None and item.earlier is not None:
            if not item.beside:
                self._drafts.drop(item.group)
            self._move_on()
        return self.item

    def refresh(self) -> None:
        """Forget the end of the queue, because groups came or went."""
        if self.item is None:
            self.upcoming_groups.start_again()
            self._move_on()

    def choose(self, *, order: str | None = None, repeats: int | None = None) -> None:
        """Take another order of the queue, or another share of repeats. The item on screen stays.

        Raises:
            UserError: the choice could not be written; everything stays as it was.
        """
        self.upcoming_groups.choose(order=order, repeats=repeats)
        if order is not None:
            self.order_again()

    def label_as(self, annotator: str) -> None:
        """Go on under another name, with what is on screen as it is: a first label waited for the name."""
        choice = self.upcoming_groups.choice
        waits.ensure(self.project, annotator)  # what is held ready waits for them too
        self.annotator = annotator
        self.upcoming_groups = Upcoming(self.project, annotator, self._shuffler)
        self.upcoming_groups.take_over(choice)
        self._drafts = Drafts(self.project, annotator)

    def order_again(self) -> None:
        """Look again for what comes next, because the order or the scores are others."""
        self.upcoming_groups.start_again()
        self._ahead = [item for item in self._ahead if item.begun]
        if self.item is None:
            self._move_on()

    def stash(self) -> None:
        """Keep notes, flags and answers of one's own that are not saved with a label yet.

        Raises:
            UserError: the project could not be written.
        """
        for item in (self.item, *self._ahead):
            if item is not None:
                self._keep_draft(item)
        self._drafts.write(self.item.group if self.item is not None else None)

    def _move_on(self) -> None:
        self._just_saved = None
        self.item = self.upcoming()
        self._ahead = self._ahead[1:]
        while self.item is not None and not self._is_waiting(self.item):  # any more: see look_elsewhere
            self.item = self.upcoming()
            self._ahead = self._ahead[1:]

    def _is_waiting(self, item: Item) -> bool:
        return waits.is_waiting(self.project, self.annotator, item.group.id)

    def _put_aside(self, coming: GroupId) -> None:
        """Make room for the group that comes on screen; what waits there comes back after it."""
        self._just_saved = None
        if self.item is not None:
            self._keep_draft(self.item)
            if self.item.earlier is None:
                self._ahead.insert(0, self.item)
        self._ahead = [item for item in self._ahead if item.group.id != coming]

    def _fresh(self, group: Group) -> Item:
        draft = self._drafts.of(group, None)
        if draft is not None and draft.written:  # it may have come with a label that was undone
            group = replace(group, completions=tuple(c for c in group.completions if not _is_own(c, draft.written)))
        shown = list(group.completions)
        self._shuffler.shuffle(shown)
        item = Item(group, tuple(shown), OrderEntry(len(shown)))
        item.take_up(draft)
        return item

    def _own_answer(self, group: Group, text: str) -> Completion:
        """The person's own answer as a completion; one that came with a label that was undone is used again."""
        there = completions.get_group(self.project, group.id).completions
        on_screen = {completion.id for completion in group.completions}
        again = (c for c in there if c.id not in on_screen and _is_own(c, text))
        return next(again, None) or completions.add(self.project, group.id, text, finish_reason=_OWN)

    def _keep_draft(self, item: Item) -> None:
        draft = item.draft
        if draft is not None:
            self._drafts.keep(item.group, draft)
        elif self._drafts.of(item.group, item.earlier) is not None:
            self._drafts.drop(item.group)

    def _again(self, group: Group, ranking: Ranking, *, presented: Sequence[CompletionId] = ()) -> Item:
        shown = _in_order(group, presented or ranking.presented)
        places = [ranking.ranks.get(completion.id) for completion in shown]
        size = len(shown)
        if ranking.kind == "ranking":
            ranked = [bucket for bucket in weak_orders.buckets(places) if places[bucket[0]] is not None]
            entry = OrderEntry.of_earlier(size, ranked, strength=ranking.strength)
        else:
            entry = OrderEntry.of_earlier(size, [])
        item = Item(
            group,
            shown,
            entry,
            note=ranking.note,
            flags=ranking.flags,
            earlier=ranking,
            seconds=ranking.seconds or 0.0,
            confidence=ranking.confidence,
        )
        item.take_up(self._drafts.of(group, ranking))
        return item


def described(ranking: Ranking) -> str:
    """A judgement in words, in the numbers that were on screen: "2 ≻ 1 = 4", "skipped", "all bad"."""
    if ranking.kind != "ranking":
        return {"skip": "skipped", "all_bad": "all bad"}.get(ranking.kind, ranking.kind)
    shown = list(ranking.presented) or sorted(ranking.ranks)
    ids = [*shown, *(completion for completion in ranking.ranks if completion not in shown)]
    places = [ranking.ranks.get(completion) for completion in ids]
    ranked = [bucket for bucket in weak_orders.buckets(places) if places[bucket[0]] is not None]
    own = bool(ranked) and all(position >= len(shown) for position in ranked[0])
    words = order_text(ranked[1:] if own else ranked, written=own)
    return words + (BETTER + "…" if None in places else "")


def _is_own(completion: Completion, text: str) -> bool:
    return completion.finish_reason == _OWN and completion.text == text


def _written_with(group: Group, ranking: Ranking) -> Completion | None:
    """The answer that a person wrote with this label and ranked first; it was not among those on screen."""
    if not ranking.presented:
        return None
    own = (c for c in group.completions if c.finish_reason == _OWN and c.id not in ranking.presented)
    return next((c for c in own if ranking.ranks.get(c.id) == 1), None)


def _ranks(group: Group, buckets: Iterable[Sequence[CompletionId]]) -> tuple[int | None, ...]:
    index = {completion.id: place for place, completion in enumerate(group.completions)}
    return weak_orders.from_buckets([[index[one] for one in bucket] for bucket in buckets], len(index))


def _in_order(group: Group, presented: Sequence[CompletionId]) -> tuple[Completion, ...]:
    """The group's completions as they were shown; those that came later stand at the end."""
    place = {completion: number for number, completion in enumerate(presented)}
    return tuple(sorted(group.completions, key=lambda c: (place.get(c.id, len(place)), c.candidate)))
