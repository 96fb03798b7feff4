"""How long the program makes a person wait while labelling a large project: the real page, real keys.

`python -m tests.benchmarks.labelling [GROUPS] [LABELS]` fills a project in a temporary folder, nine tenths of it
labelled, opens the Label page on it and answers pairs and rankings of four (three keys: the last place is clear). For
every key that saves it takes the time until the label is durable and the next item is painted, and, apart,
that of what is caught up on afterwards. Without a display it runs off screen; QT_QPA_PLATFORM=xcb takes a real one.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from dpo_studio.store import Project, rankings

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


def queries(project: Project) -> dict[str, float]:
    """Median milliseconds of what the page asks the store."""
    asked: dict[str, Callable[[], object]] = {
        "next group, from the start": lambda: rankings.next_groups(project, limit=1),
        "counts": lambda: rankings.counts(project),
        "the last 100 labels": lambda: rankings.recent(project, limit=100),
    }
    return {name: statistics.median(_ms(ask) for _ in range(9)) for name, ask in asked.items()}


def drive(project: Project, labels: int, keys: str) -> tuple[list[float], list[float]]:
    """Label by keys: milliseconds until the next item is painted, and of catching up; the first few are left out."""
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
    QTest.qWait(300)
    waits, after = [], []
    before = rankings.counts(project).done
    for _ in range(labels + _SKIPPED):
        group = page.item.group.id
        for key in keys[:-1]:
            QTest.keyClick(page, key)

        def answer() -> None:
            QTest.keyClick(page, keys[-1])
            page.repaint()

        waits.append(_ms(answer))
        assert page.item is not None and page.item.group.id != group
        after.append(_ms(app.processEvents))
    assert rankings.counts(project).done == before + labels + _SKIPPED
    page.hide()
    context.open(None)
    return waits[_SKIPPED:], after[_SKIPPED:]


def main(groups: int = 100_000, labels: int = 100) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DPO_STUDIO_SETTINGS"] = str(Path(folder) / "window-settings.ini")
        for name, (size, keys) in _LAYOUTS.items():
            project = Project.create(Path(folder) / str(size))
            fill(project, groups, groups * 9 // 10, size=size)
            print(f"{name}, {groups:,} groups, nine tenths of them labelled")
            for query, ms in queries(project).items():
                print(f"  {query}: {ms:.1f} ms")
            for what, times in zip(("key to next item", "catching up"), drive(project, labels, keys), strict=True):
                print(f"  {what}: median {statistics.median(times):.1f} ms, p99 {_p99(times):.1f} ms")


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def _ms(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return 1000 * (time.perf_counter() - began)


def _uuid() -> str:
    return str(uuid.uuid4())


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
