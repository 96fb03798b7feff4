"""A label that was acknowledged survives SIGKILL, at whatever moment it comes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from dpo_studio.core.types import CompletionId
from dpo_studio.store import Project, rankings

LABEL_FOR_EVER = """
import sys
from dpo_studio.store import Project, completions, rankings
project = Project.open(sys.argv[1])
groups = completions.recent_groups(project, 100)
print("ready", flush=True)
turn = 0
while True:
    group = groups[turn % len(groups)]
    if turn % 5 == 4:
        undone = rankings.undo(project)
        print("undone", undone.uuid, flush=True)
    else:
        ranks = [(turn + i) % 4 + 1 for i in range(4)]
        made = rankings.add(project, group, ranks=ranks, note=str(turn))
        print("added", made.uuid, *ranks, flush=True)
    turn += 1
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_every_acknowledged_label_is_there_after_kill_9(folder, make_group):
    with Project.create(folder) as project:
        for number in range(20):
            make_group(project, f"prompt {number}")
    moments = random.Random(1)
    acknowledged = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", LABEL_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        said = "".join(process.stdout.readline() for _ in range(11))
        time.sleep(moments.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        # The last line may have been cut short by the kill; the label behind it is durable all the same.
        lines = said[: said.rfind("\n") + 1].splitlines()
        acknowledged += len(lines)
        with Project.open(folder) as project:
            assert project.db.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert project.db.conn.execute("PRAGMA foreign_key_check").fetchall() == []
            ids = dict(project.db.conn.execute("SELECT uuid, id FROM rankings"))
            undone = {row[0] for row in project.db.conn.execute("SELECT undoes FROM rankings")}
            for line in lines:
                word, uuid, *ranks = line.split()
                assert uuid in ids
                if word == "undone":
                    assert ids[uuid] in undone
                else:
                    kept = rankings.get(project, ids[uuid])
                    order = sorted(kept.ranks, key=CompletionId)
                    assert [str(kept.ranks[completion]) for completion in order] == ranks
            (unranked,) = project.db.conn.execute(
                "SELECT count(*) FROM rankings r WHERE kind = 'ranking' AND 4 <>"
                " (SELECT count(*) FROM ranking_items i WHERE i.ranking_id = r.id)"
            ).fetchone()
            assert unranked == 0
    assert acknowledged > 40
