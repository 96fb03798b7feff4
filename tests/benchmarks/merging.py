"""What merging another copy of a large project takes, and how long it makes a person wait who labels meanwhile.

`python -m tests.benchmarks.merging [--groups N] [--kind labels|groups] [--stop S]` makes a project of N pairs
(100,000), half of them labelled, and another copy: with labels of its own on all of them, or with as many groups of its
own, all labelled. It merges that with the command `merge` and labels in the project all the while, one label every
50 ms, over a connection of its own. It prints what `importing` prints. --stop kills the merge after S seconds and then
opens the project: what is in it, and how long that takes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from dpo_studio.store import Project, rankings

from .importing import run
from .labelling import fill


def make(folder: Path, groups: int, kind: str) -> tuple[Path, Path]:
    """The two copies' folders."""
    here, there = folder / "here", folder / "there"
    with Project.create(here) as project:
        fill(project, groups, groups // 2, size=2)
    if kind == "groups":
        with Project.create(there) as other:
            fill(other, groups, groups, size=2)
            other.db.conn.execute(
                "UPDATE prompts SET messages = replace(messages, 'Question', 'Another question'),"
                " content_hash = content_hash || '-'"
            )
    else:
        shutil.copytree(here, there)
        with Project.open(there) as other, other.transaction() as db:
            last = groups // 2
            db.conn.executemany(
                "INSERT INTO rankings (id, uuid, group_id, kind, annotator, seconds, created)"
                " VALUES (?, lower(hex(randomblob(16))), ?, 'ranking', 'me', 3.0, '2026-01-03T00:00:00Z')",
                ((last + n, n) for n in range(1, groups + 1)),
            )
            db.conn.executemany(
                "INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)",
                ((last + n, 2 * n - place, 1 + place) for n in range(1, groups + 1) for place in (0, 1)),
            )
    return here, there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=100_000)
    parser.add_argument("--kind", choices=["labels", "groups"], default="labels")
    parser.add_argument("--stop", type=float, default=0.0, help="kill the merge after so many seconds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here, there = make(Path(folder), chosen.groups, chosen.kind)
        size = (there / "project.db").stat().st_size
        print(f"{chosen.groups:,} pairs here, {chosen.kind} of another copy of {size / 1e6:,.0f} MB", flush=True)
        line = [sys.executable, "-m", "dpo_studio", "merge", "--json", "--as", "Ben", str(here), str(there)]
        with Project.open(here) as project:
            labels, took, peak, status, answer = run(project, line, chosen.stop)
            print(f"  merge: {took:.1f} s, peak {peak / 1024:,.0f} MB, exit status {status}: {answer}")
            print(f"  meanwhile {labels.said()}")
        began = time.perf_counter()
        with Project.open(here) as project:
            took = time.perf_counter() - began
            counts, ben = rankings.counts(project), rankings.counts(project, "Ben")
            print(f"  opened again in {took:.1f} s: {counts.done:,} labels, {ben.done:,} of the other copy")


if __name__ == "__main__":
    main()
