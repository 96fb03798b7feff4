"""How long the report on a large project takes, how much memory it holds, and how long the window stands still for it.

`python -m tests.benchmarks.quality [PROMPTS] [GROUPS]` compares that many prompts, one in ten of them made from another
one by changing a word, once with prompts of their own words and once behind twenty common openings; then it fills a
project with groups of four that two people and a judge ranked, runs `dpo-studio report --json` on it part by part, and
opens the Quality page on it, off screen. It prints seconds of the processor, the peak of memory, how many of the
changed prompts were missed, and the longest time that the page's thread computed without looking at its events.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dpo_studio.evaluation.quality import near
from dpo_studio.store import Project

from . import labelling


def texts(number: int, *, openings: int, seed: int = 0) -> tuple[list[str], list[tuple[int, int]]]:
    """Plain texts of 8 to 90 words, and the places of those that were made from another, with that one's."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(20_000)]
    common = [" ".join(draw.choices(words, k=20)) + " " for _ in range(openings)] or [""]
    longest = 25 if openings else 90
    made = [draw.choice(common) + " ".join(draw.choices(words, k=draw.randint(8, longest))) for _ in range(number)]
    changed = []
    for _ in range(number // 10):
        source = draw.randrange(number - number // 10)
        place = number - number // 10 + len(changed)
        parts = made[source].split()
        parts[draw.randrange(len(parts))] = draw.choice(words)
        made[place] = " ".join(parts)
        changed.append((source, place))
    return made, changed


def compare(number: int, *, openings: int) -> None:
    """Find the near ones of so many prompts, and say how that went."""
    made, changed = texts(number, openings=openings)
    start = time.process_time()
    found = near.sets([(text, "", "") for text in made], sketched=2)
    seconds = time.process_time() - start
    told = {place for places in found for place in places}
    really = [pair for pair in changed if near.similarity(made[pair[0]], made[pair[1]]) >= near.NEAR_PROMPTS]
    missed = sum(place not in told for _, place in really)
    kind = f"behind {openings} openings" if openings else "of their own words"
    print(f"{number:,} prompts {kind}: {seconds:.1f} s, {missed} of {len(really):,} near ones missed")


def fill(project: Project, groups: int, seed: int = 0) -> None:
    """Groups of four answers of their own words, each ranked by two people and a judge; one in fifty asked again."""
    labelling.fill(project, groups, groups, size=4)
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(20_000)]
    date = "2026-01-02T00:00:00Z"
    with project.transaction() as db:
        run = db.conn.executemany
        run(
            "UPDATE completions SET text = ? WHERE id = ?",
            ((" ".join(draw.choices(words, k=draw.randint(20, 100))), n + 1) for n in range(4 * groups)),
        )
        again = range(groups + 1, groups + 1 + groups // 50)
        run(
            "INSERT INTO groups (id, uuid, prompt_id, size, ready, created, repeat_of) VALUES (?, ?, ?, 4, 1, ?, ?)",
            ((n, _uuid(), n - groups, date, n - groups) for n in again),
        )
        run(
            "INSERT INTO group_items (group_id, candidate, completion_id) VALUES (?, ?, ?)",
            ((n, place, 4 * (n - groups - 1) + place + 1) for n in again for place in range(4)),
        )
        made, ranked = [], []
        for who, kind, held in (
            ("Ann", "person", groups),
            ("Judge", "judge", groups),
            ("me", "person", again.stop - 1),
        ):
            for group in range(1 if who != "me" else again.start, held + 1):
                number, first = groups + len(made) + 1, 4 * (group - 1 if group <= groups else group - groups - 1) + 1
                order = [1, 2, 3, 4] if draw.random() < 0.6 else draw.sample([1, 2, 3, 4], 4)
                shown = json.dumps(draw.sample(range(first, first + 4), 4))
                seconds = None if kind == "judge" else draw.uniform(1, 60)
                made.append((number, _uuid(), group, who, kind, shown, seconds, date))
                ranked += [(number, first + place, rank) for place, rank in enumerate(order)]
        run(
            "INSERT INTO rankings (id, uuid, group_id, kind, annotator, annotator_kind, presented, seconds, created)"
            " VALUES (?, ?, ?, 'ranking', ?, ?, ?, ?, ?)",
            made,
        )
        run("INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)", ranked)


def report(project: Project) -> None:
    """The command, and when its parts came."""
    line = [sys.executable, "-m", "dpo_studio", "report", "--json", "--follow", str(project.folder)]
    began = time.perf_counter()
    process = subprocess.Popen(line, stdout=subprocess.PIPE)
    assert process.stdout is not None
    doing, size = "", 0
    for said in process.stdout:
        values = json.loads(said)
        size += 0 if "progress" in values else len(said)
        now = values.get("doing", "").split(",")[0] or f"a part: {', '.join(values)}"
        if now != doing:
            print(f"    {time.perf_counter() - began:6.1f} s  {now}", flush=True)
        doing = now
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(
        f"  report: {used.ru_utime + used.ru_stime:.1f} s of the processor, peak {used.ru_maxrss / 1024:,.0f} MB,"
        f" {size / 1e6:.1f} MB of JSON, exit status {process.returncode}"
    )


def window(project: Project) -> None:
    """The page while the report comes in, and behind each of its warnings."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from dpo_studio.ui.context import Context
    from dpo_studio.ui.quality.evidence import Evidence
    from dpo_studio.ui.quality.page import QualityPage

    app = QApplication.instance() or QApplication(sys.argv[:1])
    context = Context()
    context.open(project)
    page = QualityPage(context)
    page.ensure_built()
    page.resize(1280, 800)
    page.show()
    longest, seen = 0.0, time.thread_time()

    def look() -> None:
        nonlocal longest, seen
        now = time.thread_time()
        longest, seen = max(longest, now - seen), now

    timer = QTimer(interval=5)
    timer.timeout.connect(look)
    timer.start()
    while not page.reader.whole:
        app.processEvents()
        time.sleep(0.002)
    print(f"  window: at most {1000 * longest:.0f} ms at once while the report came in")
    report = page.reader.report
    assert report is not None

    def shown(does: Callable[[], None]) -> float:
        before = time.thread_time()
        does()
        app.processEvents()
        return 1000 * (time.thread_time() - before)

    for finding in report["findings"]:
        if finding["groups"] or finding["prompts"]:
            took = shown(partial(page.show_evidence, Evidence.of(finding)))
            print(f"    {took:.0f} ms to show what is behind “{finding['sentence'][:60]}…”")
            shown(page.show_report)
    print(f"    {shown(lambda: page.view.show_report(report)):.0f} ms to show the report again")
    page.shut_down()
    context.open(None)


def _uuid() -> str:
    return str(uuid.uuid4())


def main() -> None:
    prompts = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    groups = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    for openings in (0, 20) if prompts else ():
        compare(prompts, openings=openings)
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder) / "project")
        fill(project, groups)
        print(f"{groups:,} groups of four, ranked by two people and a judge", flush=True)
        report(project)
        window(project)


if __name__ == "__main__":
    main()
