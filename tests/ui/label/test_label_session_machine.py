"""Any sequence of what a person does on the Label page, in the real session and store, against lists in memory."""

import random
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dpo_studio.store import Project, completions, rankings, runs
from dpo_studio.ui.label.order_entry import OrderEntry
from dpo_studio.ui.label.session import Session
from tests.groups import add_group

GROUPS, SIZE = 4, 3


def judgement(ranking):
    """What stands, as the model holds it: the kind and the texts by rank."""
    return (ranking.kind, frozenset(ranking.ranks.items()))


class Labelling(RuleBasedStateMachine):
    """The model: what stands on each group, and the labels given, newest last, with what stood before each.

    An undo takes the newest label back whatever was done since; a correction is a label like any other.
    """

    @initialize(seed=st.integers(0, 999), order=st.sampled_from(["imported", "random", "disputed"]))
    def begin(self, seed, order):
        self.folder = Path(tempfile.mkdtemp()) / "p"
        self.project = Project.create(self.folder)
        for number in range(GROUPS):
            answers = [f"answer {candidate} of {number}" for candidate in range(SIZE)]
            add_group(self.project, f"prompt {number}", answers, held_out=False)
        self.chance = random.Random(seed)
        self.standing = {group_id: None for group_id in range(1, GROUPS + 1)}
        self.done = []
        self._open()
        self.session.choose(order=order)

    def _open(self):
        self.session = Session(self.project, shuffler=self.chance)
        self.session.begin()

    def _saved(self, saved, kind, ranks):
        group_id = saved.group_id
        assert judgement(saved) == (kind, frozenset(ranks.items()))
        self.done.append((saved.id, group_id, self.standing[group_id], saved.presented))
        self.standing[group_id] = (kind, frozenset(ranks.items()))

    def _places(self):
        return [completion.id for completion in self.session.item.shown]

    def _anew(self, data):
        """The item with nothing placed, its answers' ids, and an order of their positions to press."""
        item = self.session.item
        item.entry = OrderEntry(len(item.shown), written=bool(item.written))
        return item, self._places(), data.draw(st.permutations(range(len(item.shown))))

    def _with_own(self, item, saved, ranks):
        """The ranks with the person's own answer first, where there is one."""
        own = set(saved.ranks) - {completion.id for completion in item.shown}
        assert len(own) == bool(item.written)
        if not own:
            return ranks
        return {own.pop(): 1} | {one: rank and rank + 1 for one, rank in ranks.items()}

    def _taken_back(self, undone):
        row, group_id, before, presented = self.done.pop()
        assert (undone.id, undone.group_id) == (row, group_id)
        self.standing[group_id] = before
        assert self.session.item.group.id == group_id, "its item is on screen again"
        assert tuple(self._places())[:SIZE] == presented[:SIZE], "in the same places"

    # What a person does.

    @precondition(lambda self: self.session.item is not None)
    @rule(data=st.data(), strong=st.booleans())
    def rank_all(self, data, strong):
        item, shown, order = self._anew(data)
        for position in order[:-1]:
            response = item.entry.press(position, strong=strong)
        assert response.done, "the last is implied"
        saved = self.session.save(seconds=1.0)
        assert saved.strength == (2 if strong else 1)
        ranks = {shown[position]: place for place, position in enumerate(order, 1)}
        self._saved(saved, "ranking", self._with_own(item, saved, ranks))

    @precondition(lambda self: self.session.item is not None)
    @rule(data=st.data())
    def tie_the_first_two_and_press_enter(self, data):
        item, shown, order = self._anew(data)
        item.entry.press(order[0])
        item.entry.tie()
        item.entry.press(order[1])
        assert item.entry.finish().done
        saved = self.session.save(seconds=1.0)
        ranks = {one: 1 if one in (shown[order[0]], shown[order[1]]) else None for one in shown}
        self._saved(saved, "ranking", self._with_own(item, saved, ranks))

    @precondition(lambda self: self.session.item is not None)
    @rule(data=st.data())
    def change_ones_mind_with_backspace(self, data):
        item, shown, order = self._anew(data)
        item.entry.press(order[1])
        item.entry.take_back()
        item.entry.press(order[0])
        assert item.entry.finish().done
        saved = self.session.save(seconds=1.0)
        ranks = {one: 1 if one == shown[order[0]] else None for one in shown}
        self._saved(saved, "ranking", self._with_own(item, saved, ranks))

    @precondition(lambda self: self.session.item is not None)
    @rule(kind=st.sampled_from(["skip", "all_bad"]))
    def skip_or_all_bad(self, kind):
        item, shown = self.session.item, self._places()
        saved = self.session.save(kind, seconds=0.5)
        if kind == "all_bad" and item.written:
            self._saved(saved, "ranking", self._with_own(item, saved, dict.fromkeys(shown)))
        else:
            self._saved(saved, kind, {})
        assert self.session.text_kept == (kind == "skip" and bool(item.written)), "a text is in the label, or kept"

    @precondition(lambda self: self.session.item is not None)
    @rule(text=st.sampled_from(["mine", "better", ""]))
    def write_an_answer_of_ones_own(self, text):
        self.session.item.write(text)

    @rule()
    def undo(self):
        undone = self.session.undo()
        if not self.done:
            assert undone is None
        else:
            self._taken_back(undone)

    @precondition(lambda self: self.session.can_take_step_back)
    @rule()
    def take_the_last_step_back(self):
        self._taken_back(self.session.take_last_step_back())
        assert not self.session.can_take_step_back

    @precondition(lambda self: None in self.standing.values())
    @rule(data=st.data(), look=st.booleans())
    def label_in_another_window(self, data, look):
        """The same person, on another connection; this window may be looked at again, or it goes on unaware."""
        group_id = data.draw(st.sampled_from([one for one, standing in self.standing.items() if standing is None]))
        other = self.project.beside()
        group = completions.get_group(other, group_id)
        shown = [completion.id for completion in group.completions]
        self._saved(rankings.add(other, group, kind="all_bad", presented=shown), "all_bad", {})
        other.close()
        if look:
            self.session.look_elsewhere()

    @precondition(lambda self: any(self.standing.values()))
    @rule(data=st.data())
    def look_at_an_earlier_label(self, data):
        history = rankings.recent(self.project)
        ranking = data.draw(st.sampled_from(history))
        item = self.session.revisit(ranking)
        assert item.written or not item.changed
        assert tuple(self._places())[: len(ranking.presented)] == ranking.presented

    @rule()
    def go_back_to_the_queue(self):
        self.session.back_to_queue()

    @rule()
    def leave_and_open_again(self):
        self.session.stash()
        self.project.close()
        self.project = Project.open(self.folder)
        self._open()

    @rule(order=st.sampled_from(["imported", "random", "informative", "disputed"]))
    def choose_an_order(self, order):
        self.session.choose(order=order)

    # What holds whatever was done.

    @invariant()
    def the_store_says_what_the_model_says(self):
        if not hasattr(self, "session"):
            return
        for group_id, expected in self.standing.items():
            current = rankings.current(self.project, group_id)
            assert (None if current is None else judgement(current)) == expected
        left = [group_id for group_id, standing in self.standing.items() if standing is None]
        counts = rankings.counts(self.project)
        assert (counts.left, counts.ready) == (len(left), GROUPS)
        ranked = [s for s in self.standing.values() if s and s[0] == "ranking"]
        assert counts.rankings == len(ranked)
        assert len(runs.training_data(self.project).train) == len(ranked)

    @invariant()
    def only_what_was_compared_is_learnt_from(self):
        if not hasattr(self, "session"):
            return
        for group, ranking in rankings.labelled(self.project):
            assert {completion.id for completion in group.completions} == set(ranking.ranks)

    @invariant()
    def what_is_on_screen_waits_or_is_looked_at_again(self):
        if not hasattr(self, "session"):
            return
        item = self.session.item
        left = {group_id for group_id, standing in self.standing.items() if standing is None}
        if item is None:
            assert not left, "nothing is on screen only when nothing waits"
            return
        elsewhere = (
            item.earlier is None and item.group.id not in left
        )  # labelled in another window, unknown to this one
        assert elsewhere or (item.group.id in left) == (item.earlier is None)
        upcoming = self.session.upcoming()
        waiting = left - {item.group.id}
        assert upcoming is not None or not waiting

    def teardown(self):
        if hasattr(self, "project"):
            self.project.close()
            shutil.rmtree(self.folder.parent)


Labelling.TestCase.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLabelling = Labelling.TestCase
