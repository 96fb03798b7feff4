"""How long lists of prompts take on a large project: pages, searches, filters and changes, asked of the store.

`python -m tests.benchmarks.prompts [--rows N] [--tries N] [--window] [--project FOLDER]` fills a project of N prompts
(1,000,000) in a temporary folder, once, and prints the median and the 99th percentile of each; `--window` opens the
Prompts and the Generate page on it, too. Nothing is kept; all of it is read from the disk that holds the temporary
folder. The text is made of 2,000 words drawn with frequencies like those of a language (the second is half as frequent
as the first, and so on), so that there are frequent words, and one that is on three prompts alone.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dpo_studio.core import events
from dpo_studio.core.types import Message
from dpo_studio.store import Project, prompt_edits, prompt_import, prompt_search, prompt_words, prompts
from dpo_studio.store.prompt_search import PromptFilter

ROWS, TRIES = 1_000_000, 100
WORDS, LONGEST_PROMPT = 2_000, 24
FREQUENT, RARE, MISSING = "tomorrow", "zygomorphic", "quetzalcoatlus"
TAGS = ("coding", "letters", "maths", "history")
_SYLLABLES = [a + b for a in "bcdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ou")]


def texts(rows: int, source: random.Random) -> Iterator[str]:
    """Questions, in which FREQUENT is on a third of them and RARE on three."""
    words = ["".join(source.choices(_SYLLABLES, k=source.randint(1, 4))) for _ in range(WORDS)]
    weights = [1 / (place + 1) for place in range(WORDS)]
    rare = {rows // 7, rows // 2, rows - 2}
    for number in range(rows):
        said = source.choices(words, weights, k=source.randint(6, LONGEST_PROMPT))
        if number % 3 == 0:
            said.insert(2, FREQUENT)
        if number in rare:
            said.insert(3, RARE)
        yield f"{' '.join(said)} {number}?"


def fill(project: Project, rows: int) -> None:
    """Add the prompts as an import does: one in five with a tag, from two sources."""
    every = enumerate(texts(rows, random.Random(7)))
    with prompt_import.in_bulk(project):
        for source, part in (("questions.jsonl", rows - rows // 2), ("a data set", rows // 2)):
            prompt_import.add(
                project,
                (
                    ([Message("user", text)], [TAGS[number // 5 % 4]] if number % 5 == 0 else [])
                    for number, text in itertools.islice(every, part)
                ),
                source=source,
            )
    prompt_words.write_all(project)


def measure(project: Project, tries: int) -> dict[str, list[float]]:
    """Milliseconds of each thing a person does, by its name."""
    source = random.Random(11)
    everything, (there, _) = PromptFilter(), prompt_search.totals(project)

    def somewhere() -> int:
        return source.randrange(1, there + 1)

    def page(wanted: PromptFilter, **more) -> Callable[[], object]:
        return lambda: prompt_search.rows(project, prompt_search.page(project, wanted, limit=100, **more))

    def next_page() -> object:
        return prompt_search.rows(project, prompt_search.page(project, everything, after=somewhere(), limit=100))

    def archive() -> object:
        return prompt_edits.archive(project, [somewhere()])

    def archive_many() -> object:
        first = somewhere()
        return prompt_edits.archive(project, range(first, first + 500))

    def tag_many() -> object:
        first = somewhere()
        return prompt_edits.change_tags(project, range(first, first + 500), add=["chosen"])

    asked: dict[str, Callable[[], object]] = {
        "first page": page(everything),
        "next page, anywhere": next_page,
        "the newest": page(everything, newest_first=True),
        "search, frequent word": page(PromptFilter(text=FREQUENT)),
        "search, two frequent words": page(PromptFilter(text=f"{FREQUENT} {there // 2}")),
        "search, rare word": page(PromptFilter(text=RARE)),
        "search, word that is nowhere": page(PromptFilter(text=MISSING)),
        "search, one letter": page(PromptFilter(text="z")),
        "search, two letters that are nowhere": page(PromptFilter(text="ﬆ")),
        "filter by tag": page(PromptFilter(tags=("maths",))),
        "filter by source": page(PromptFilter(source="a data set")),
        "filter by source and held out": page(PromptFilter(source="a data set", held_out=True)),
        "without answers": page(PromptFilter(progress="unanswered")),
        "labelled (none is)": page(PromptFilter(progress="labelled")),
        "how many there are": lambda: prompt_search.totals(project),
        "count, up to 10,000": lambda: prompt_search.count(project, PromptFilter(text=FREQUENT), at_most=10_000),
        "tags and sources there are": lambda: (prompt_search.all_tags(project), prompt_search.all_sources(project)),
        "archive one": archive,
        "archive 500": archive_many,
        "tag 500": tag_many,
    }
    return {name: _times(ask, tries) for name, ask in asked.items()}


class Watch:
    """Turns the window's loop and says how long it stood still.

    Attributes:
        longest_work: of the last `longest_gap`: milliseconds of the thread's own CPU time, which a busy machine
            does not lengthen.
    """

    def __init__(self) -> None:
        from PySide6.QtCore import QTimer
        from PySide6.QtWidgets import QApplication

        self._app = QApplication.instance() or QApplication([])
        self._last: tuple[float, float] | None = None
        self._gap = self._work = self.longest_work = 0.0
        self._clock = QTimer()
        self._clock.setInterval(0)
        self._clock.timeout.connect(self._on_turn)

    def start(self) -> None:
        self._clock.start()
        self.longest_gap()

    def stop(self) -> None:
        self._clock.stop()

    def longest_gap(self) -> float:
        """Milliseconds since it was asked last."""
        gap, self.longest_work = 1000 * self._gap, 1000 * self._work
        self._last, self._gap, self._work = None, 0.0, 0.0
        return gap

    def _on_turn(self) -> None:
        now = time.perf_counter(), time.thread_time()
        if self._last is not None:
            self._gap = max(self._gap, now[0] - self._last[0])
            self._work = max(self._work, now[1] - self._last[1])
        self._last = now

    def until(self, there: Callable[[], bool]) -> float:
        """Milliseconds until something is so."""
        began = time.perf_counter()
        while not there():
            self._app.processEvents()
        return 1000 * (time.perf_counter() - began)


def drive_prompts(project: Project, watch: Watch) -> dict[str, float]:
    """Milliseconds of the Prompts page on this project: until rows are there, and how long the window stood still."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from dpo_studio.ui.context import Context
    from dpo_studio.ui.prompts.page import PromptsPage

    context = Context()
    context.open(project.beside())
    began = time.perf_counter()
    page = PromptsPage(context)
    page.resize(1240, 820)
    page.ensure_built()
    page.show()
    found = {"page built and shown": 1000 * (time.perf_counter() - began)}
    watch.start()
    rows = page.table.rows
    found["until the first prompts"] = watch.until(lambda: rows.rowCount() > 0)
    found["until all are listed"] = watch.until(lambda: page.listing.complete)
    found["  longest gap meanwhile"] = watch.longest_gap()
    QTest.keyClick(page.table, Qt.Key.Key_End)
    last = prompts.get(project, rows.id_at(rows.rowCount() - 1)).messages
    found["End: until the last is read"] = watch.until(lambda: page.reading.messages == last)
    shown: list[int] = []
    rows.modelReset.connect(lambda: shown.append(rows.rowCount()))
    page.bar.field.setText(FREQUENT)
    page.bar._on_typed()
    found["search: until the first prompts"] = watch.until(lambda: bool(shown) and rows.rowCount() > 0)
    found["search: until all are listed"] = watch.until(lambda: page.listing.complete)
    found["  longest gap meanwhile"] = max(watch.longest_gap(), found["  longest gap meanwhile"])
    page.bar.clear()
    watch.until(lambda: page.listing.complete and page.listing.store is not None and page.listing.store.is_idle)
    page.table.selectRow(5)
    watch.longest_gap()
    page.archive()
    there = rows.rowCount()
    found["archive one: until it is gone from the list"] = watch.until(lambda: rows.rowCount() < there)
    watch.until(lambda: page.listing.store is not None and page.listing.store.is_idle)
    found["  longest gap while the list is read again"] = watch.longest_gap()
    found |= _change_all(page, watch)
    watch.stop()
    page.shut_down()
    context.open(None)
    return found


def _change_all(page: Any, watch: Watch) -> dict[str, float]:
    """Milliseconds of what is done to all prompts at once, and how long the window stood still over it."""
    said: list[object] = []
    page.changes.done.connect(lambda done, _number: said.append(done))
    page.table.selectAll()
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("all tagged", lambda: page._on_tags_changed(("all",), ())),
        ("all tags as before", page.undo),
        ("all archived", page.archive),
        ("all brought back", page.undo),
    )
    found = {}
    for name, do in steps:
        said.clear()
        watch.longest_gap()
        do()
        found[name] = watch.until(lambda: bool(said) and page.listing.store.is_idle)
        found["  longest gap meanwhile, " + name] = watch.longest_gap()
        found["  most work at a time, " + name] = watch.longest_work
    return found


def drive_generate(project: Project, watch: Watch) -> dict[str, float]:
    """Milliseconds of the Generate page on this project: opened, all prompts asked, with no model behind it."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from dpo_studio.core import commands
    from dpo_studio.ui.context import Context
    from dpo_studio.ui.generate.page import GeneratePage

    context = Context()
    context.open(project.beside())
    sent: list[commands.Command] = []
    began = time.perf_counter()
    page = GeneratePage(context)
    page.answering.process.send = sent.append  # type: ignore[method-assign]
    page.resize(1240, 820)
    page.ensure_built()
    page.show()
    found = {"page built and shown": 1000 * (time.perf_counter() - began)}
    watch.start()
    rows = page.table.rows
    found["until the first prompts"] = watch.until(lambda: rows.rowCount() > 0)
    found["until all are listed"] = watch.until(lambda: page.listing.complete)
    found["until it is known how many have no answers"] = watch.until(page.work.generate_button.isEnabled)
    found["  longest gap meanwhile"] = watch.longest_gap()
    QTest.keyClick(page.table, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    found["all selected: until the button says so"] = watch.until(
        lambda: page.table.selected_count() == rows.rowCount()
    )
    watch.until(lambda: page.isVisible())
    found["  longest gap meanwhile"] = max(watch.longest_gap(), found["  longest gap meanwhile"])
    began = time.perf_counter()
    page.generate()
    found["all asked: until the model is told the first"] = watch.until(lambda: bool(sent))
    watch.until(lambda: not page.answering._source.is_open)  # type: ignore[union-attr]
    found["all asked: until all are in the queue"] = 1000 * (time.perf_counter() - began)
    found["  longest gap while they are written"] = watch.longest_gap()
    page.answering.cancel()
    command = sent[0]
    assert isinstance(command, commands.Generate)
    page.answering.on_event(events.JobFinished(command.job, "cancelled"))
    watch.until(lambda: page.queue.continue_button.isVisible())
    found["  longest gap when it is cancelled"] = watch.longest_gap()
    watch.stop()
    page.shut_down()
    context.open(None)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--tries", type=int, default=TRIES, help="fewer for what takes longer than 50 ms")
    parser.add_argument("--project", type=Path, help="a project that was filled before, in place of a new one")
    parser.add_argument("--window", action="store_true", help="open the Prompts and the Generate page on it, too")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Project.open(chosen.project) if chosen.project else Project.create(Path(folder) / "project") as project,
    ):
        began = time.perf_counter()
        if chosen.project is None:
            fill(project, chosen.rows)
        size, there = (project.folder / "project.db").stat().st_size / 1e6, sum(prompt_search.totals(project))
        print(f"{there:,} prompts, {size:,.0f} MB, written in {time.perf_counter() - began:.0f} s", flush=True)
        for name, times in measure(project, chosen.tries).items():
            print(f"  {name:38} median {statistics.median(times):8.2f} ms   p99 {_p99(times):8.2f} ms   n {len(times)}")
        if chosen.window:
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
            watch = Watch()
            for page, drive in (("Prompts", drive_prompts), ("Generate", drive_generate)):
                print(f"{page}, in the window", flush=True)
                for name, ms in drive(project, watch).items():
                    print(f"  {name:46} {ms:8.1f} ms", flush=True)


def _times(ask: Callable[[], object], tries: int) -> list[float]:
    """Milliseconds of each try; what takes long is asked less often."""
    ask()
    times: list[float] = []
    while len(times) < tries and (len(times) < 5 or sum(times) < 5_000):
        began = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - began))
    return times


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[98]


if __name__ == "__main__":
    main()
