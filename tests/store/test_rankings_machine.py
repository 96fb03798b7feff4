"""Any sequence of labelling, undoing, correcting, skipping and reopening, against lists in memory."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dpo_studio.core import ranking as weak_orders
from dpo_studio.store import Project, rankings
from tests.groups import add_group

GROUPS, SIZE = 3, 3
RANKS = st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=SIZE, max_size=SIZE).filter(
    lambda ranks: any(rank is not None for rank in ranks)
)


class Labelling(RuleBasedStateMachine):
    """The model: a stack of (group, what stood before, what stands now) and what stands on each group."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp()) / "p"
        self.project = Project.create(self.folder)
        self.groups = []
        for number in range(GROUPS):
            self.groups.append(add_group(self.project, f"prompt {number}", SIZE))
        self.standing = {group.id: None for group in self.groups}
        self.done = []
        self.rows = 0

    def _write(self, group, kind, ranks, presented):
        saved = rankings.add(self.project, group, kind=kind, ranks=ranks, presented=presented)
        now = (kind, weak_orders.validate(ranks, SIZE) if ranks else (), tuple(presented))
        self.done.append((saved.id, group.id, self.standing[group.id]))
        self.standing[group.id] = now
        self.rows += 1

    @rule(which=st.integers(0, GROUPS - 1), ranks=RANKS, order=st.permutations(range(SIZE)))
    def label_or_correct(self, which, ranks, order):
        group = self.groups[which]
        self._write(group, "ranking", tuple(ranks), [group.completions[place].id for place in order])

    @rule(which=st.integers(0, GROUPS - 1), kind=st.sampled_from(["skip", "all_bad"]))
    def label_without_order(self, which, kind):
        self._write(self.groups[which], kind, (), [c.id for c in self.groups[which].completions])

    @rule()
    def undo(self):
        undone = rankings.undo(self.project)
        if not self.done:
            assert undone is None
            return
        row, group_id, before = self.done.pop()
        assert (undone.id, undone.group_id) == (row, group_id)
        self.standing[group_id] = before
        self.rows += 1

    @precondition(lambda self: self.rows)
    @rule()
    def reopen(self):
        self.project.close()
        self.project = Project.open(self.folder)

    @invariant()
    def agrees(self):
        if not hasattr(self, "project"):
            return
        for group in self.groups:
            current = rankings.current(self.project, group.id)
            expected = self.standing[group.id]
            if expected is None:
                assert current is None
            else:
                ranks = rankings.ranks_of(group, current.ranks) if current.kind == "ranking" else ()
                assert (current.kind, ranks, current.presented) == expected
        left = [group_id for group_id, standing in self.standing.items() if standing is None]
        assert [g.id for g in rankings.next_groups(self.project, limit=GROUPS)] == left
        kinds = [standing[0] for standing in self.standing.values() if standing]
        counts = rankings.counts(self.project)
        assert (counts.left, counts.rankings, counts.skips, counts.all_bad) == (
            len(left),
            kinds.count("ranking"),
            kinds.count("skip"),
            kinds.count("all_bad"),
        )
        recounted = self.project.db.conn.execute(
            "SELECT kind, count(*) FROM current_rankings GROUP BY kind HAVING count(*) > 0"
        )
        assert dict(recounted.fetchall()) == {kind: kinds.count(kind) for kind in set(kinds)}
        (rows,) = self.project.db.conn.execute("SELECT count(*) FROM rankings").fetchone()
        assert rows == self.rows, "nothing is ever deleted"

    def teardown(self):
        if hasattr(self, "project"):
            self.project.close()
            shutil.rmtree(self.folder.parent)


Labelling.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLabelling = Labelling.TestCase
