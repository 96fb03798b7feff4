"""How long the program makes a person wait while labelling a large project: the real page, real keys.

`python -m tests.benchmarks.labelling [GROUPS] [LABELS] [--order NAME] [--xvfb]` fills a project in a temporary folder,
nine tenths of it labelled, opens the Label page on it and answers pairs and rankings of four (three keys: the last is
clear). For every label it takes the time from the last key until the label is durable and the next item is painted,
that of all its keys, and, apart, that of what is caught up on afterwards. --xvfb puts the window on a display of its
own; otherwise it runs off screen, or where QT_QPA_PLATFORM says.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dpo_studio.store import Project, policies, queue, rankings, scores

_ANSWER = "Rain falls when drops grow too heavy for the air that holds them. " * 6
_SKIPPED = 5
_LAYOUTS = {"pairs": (2, "1"), "rankings of four": (4, "314")}


def fill(project: Project, groups: int, labelled: int, *, size: int) -> None:
    """Add groups of `size` answers, the first `labelled` of them ranked by the project's annotator."""
    date = "2026-01-01T00:00:00Z"
    with project.transaction() as db:
        run = db.conn.executemany
        each = range(1, groups + 1)
        items = [(group, place, (group - 1) * size + place + 1) for group in each for place in range(size)]
        run(
            "INSERT INTO prompts (id, uuid, content_hash, messages, held_out, created) VALUES (?, ?, ?, ?, 0, ?)",
            ((n, _uuid(), _uuid(), f'[{{"role": "user", "content": "Question {n}: why?"}}]', date) for n in each),
        )
        run(
            "INSERT INTO groups (id, uuid, prompt_id, size, ready, created) VALUES (?, ?, ?, ?, 1, ?)",
            ((n, _uuid(), n, size, date) for n in each),
        )
        run(
            "INSERT INTO completions (id, uuid, prompt_id, text, finish_reason, created)"
            " VALUES (?, ?, ?, ?, 'imported', ?)",
            ((one, _uuid(), group, f"Answer {place} of {group}. {_ANSWER}", date) for group, place, one in items),
        )
        run("INSERT INTO group_items (group_id, candidate, completion_id) VALUES (?, ?, ?)", items)
        run(
            "INSERT INTO rankings (id, uuid, group_id, kind, annotator, seconds, created)"
            " VALUES (?, ?, ?, 'ranking', ?, 3.0, ?)",
            ((n, _uuid(), n, project.annotator, date) for n in range(1, labelled + 1)),
        )
        run(
            "INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)",
            ((group, one, place + 1) for group, place, one in items if group <= labelled),
        )


def score(project: Project, groups: int) -> None:
    """Give every group a score under the model of a run that never was."""
    base = policies.add(project, "starter")
    made = policies.add(project, "starter", adapter="runs/none/adapter", parent_id=base.id)
    with project.transaction() as db:
        db.conn.execute(
            "INSERT INTO runs (uuid, name, folder, policy_id, result_policy_id, settings, created)"
            " VALUES (?, 'Run 1', 'runs/none', ?, ?, '{}', '2026')",
            [_uuid(), base.id, made.id],
        )
        scores.keep(project, made.id, {n: (n * 7919 % groups) / groups for n in range(1, groups + 1)})


def queries(project: Project) -> dict[str, float]:
    """Median milliseconds of what the page asks the store."""
    who, policy = project.annotator, scores.current_policy(project)
    assert policy is not None
    asked: dict[str, Callable[[], object]] = {
        "next group, from the start": lambda: rankings.next_groups(project, limit=1),
        "counts": lambda: rankings.counts(project),
        "the last 100 labels": lambda: rankings.recent(project, limit=100),
        "the whole order at random": lambda: queue.at_random(project, who, 1),
        "the whole order by information": lambda: queue.most_informative(project, who, policy.id),
        "the whole order by disagreement": lambda: queue.most_disputed(project, who),
    }
    return {name: statistics.median(_ms(ask) for _ in range(9)) for name, ask in asked.items()}


@dataclass(slots=True)
class Times:
    """Milliseconds for each label."""

    next_item: list[float] = field(default_factory=list)
    all_keys: list[float] = field(default_factory=list)
    catching_up: list[float] = field(default_factory=list)
    next_item_cpu: list[float] = field(default_factory=list)
    catching_up_cpu: list[float] = field(default_factory=list)


def drive(project: Project, labels: int, keys: str, *, order: str = "imported") -> Times:
    """Label by keys: how long the next item took, all keys of a label, and catching up. The first few are left out."""
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from dpo_studio.ui.context import Context
    from dpo_studio.ui.label.page import LabelPage

    app = QApplication.instance() or QApplication(sys.argv[:1])
    context = Context()
    context.open(project)
    page = LabelPage(context)
    page.ensure_built()
    page.resize(1280, 800)
    page.show()
    page.queueing.choose_order(order)
    QTest.qWait(300)
    times = Times()
    before = rankings.counts(project).done
    for number in range(labels + _SKIPPED):
        group = page.item.group.id

        def press(key: str) -> None:
            QTest.keyClick(page, key)
            page.repaint()

        spent = [_ms(lambda key=key: press(key)) for key in keys[:-1]]
        cpu = [time.process_time()]
        spent.append(_ms(lambda: press(keys[-1])))
        cpu.append(time.process_time())
        assert page.item is not None and page.item.group.id != group
        caught_up = _ms(app.processEvents)
        cpu.append(time.process_time())
        if number >= _SKIPPED:
            times.next_item.append(spent[-1])
            times.all_keys.append(sum(spent))
            times.catching_up.append(caught_up)
            times.next_item_cpu.append(1000 * (cpu[1] - cpu[0]))
            times.catching_up_cpu.append(1000 * (cpu[2] - cpu[1]))
    assert rankings.counts(project).done == before + labels + _SKIPPED
    page.hide()
    context.open(None)
    return times


def main(groups: int = 100_000, labels: int = 100, *, order: str = "imported") -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "window-settings.ini"
        settings.write_text("[label]\nannotator=me\n", encoding="utf-8")
        os.environ["DPO_STUDIO_SETTINGS"] = str(settings)
        for name, (size, keys) in _LAYOUTS.items():
            project = Project.create(Path(folder) / str(size))
            fill(project, groups, groups * 9 // 10, size=size)
            score(project, groups)
            where = os.environ["QT_QPA_PLATFORM"]
            print(f"{name}, {groups:,} groups, nine tenths of them labelled, {order}, on {where}")
            began = _ms(partial(rankings.counts, project))
            print(f"  beginning to keep what waits: {began:.0f} ms, once")
            for query, ms in queries(project).items():
                print(f"  {query}: {ms:.1f} ms")
            times = drive(project, labels, keys, order=order)
            for what, spent in (
                ("last key to next item", times.next_item),
                ("all keys of a label", times.all_keys),
                ("catching up", times.catching_up),
                ("CPU time, last key to next item", times.next_item_cpu),
                ("CPU time, catching up", times.catching_up_cpu),
            ):
                print(f"  {what}: median {statistics.median(spent):.1f} ms, p99 {_p99(spent):.1f} ms")


@contextmanager
def own_display() -> Iterator[None]:
    """Context: Qt's windows go to an Xvfb of this process."""
    if shutil.which("Xvfb") is None:
        sys.exit("Xvfb is not installed (Debian package xvfb).")
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as said:
            os.environ["DISPLAY"] = f":{said.readline().strip()}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        yield
    finally:
        server.terminate()
        server.wait(10)


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def _ms(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return 1000 * (time.perf_counter() - began)


def _uuid() -> str:
    return str(uuid.uuid4())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="?", type=int, default=100_000)
    parser.add_argument("labels", nargs="?", type=int, default=100)
    parser.add_argument("--order", default="imported")
    parser.add_argument("--xvfb", action="store_true")
    asked = parser.parse_args()
    if asked.xvfb:
        with own_display():
            main(asked.groups, asked.labels, order=asked.order)
    else:
        main(asked.groups, asked.labels, order=asked.order)
