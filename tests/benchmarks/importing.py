"""What a large import takes, and how long it makes a person wait who labels in the same project meanwhile.

`python -m tests.benchmarks.importing [--rows N] [--kind prompts|pairs] [--format csv|jsonl|parquet]` writes
a file of N rows (1,000,000), imports it with the command `import` into a project in a temporary folder, and labels in
that project all the while, as the Label page does: one label every 50 ms, over a connection of its own. It prints how
long the import took, the most memory its process held, and how long the labels took from the key until they were
durable. --stop kills the import after S seconds and then opens the project: what is in it, and how long that takes;
--cancel cancels it as the window does, but leaves it to its own process to take back what it wrote.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, prompt_search, rankings, staging
from dpo_studio.ui.label.session import Session

from .labelling import fill
from .prompts import texts

ROWS, GROUPS, LABELLED, PAUSE_S = 1_000_000, 20_000, 2_000, 0.05
_ANSWER = "Rain falls when drops grow too heavy for the air that holds them. " * 4


@dataclass(slots=True)
class Labels:
    """Milliseconds from the key until each label was durable, and those that were refused."""

    ms: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    refused: int = 0
    cancelled_at_s: float = 0.0

    def said(self) -> str:
        p99 = statistics.quantiles(self.ms, n=100, method="inclusive")[98]
        return (
            f"{len(self.ms)} labels: median {statistics.median(self.ms):.1f} ms, p99 {p99:.1f} ms,"
            f" longest {max(self.ms):.1f} ms ({self.at_s[self.ms.index(max(self.ms))]:.0f} s in),"
            f" refused {self.refused}"
        )


def write_rows(path: Path, rows: int, kind: str) -> None:
    """A file of rows: prompts with a tag, or preference pairs."""
    every = _rows(rows, kind)
    if path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in every)
    elif path.suffix == ".csv":
        import csv

        with path.open("w", encoding="utf-8", newline="") as file:
            first = next(every)
            writer = csv.DictWriter(file, list(first))
            writer.writeheader()
            writer.writerow(first)
            writer.writerows(every)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        first = list(itertools.islice(every, 50_000))
        with pq.ParquetWriter(path, pa.Table.from_pylist(first).schema) as writer:
            while first:
                writer.write_table(pa.Table.from_pylist(first))
                first = list(itertools.islice(every, 50_000))


def _rows(rows: int, kind: str) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(texts(rows, random.Random(7))):
        if kind == "prompts":
            yield {"prompt": text, "tags": ("coding", "letters", "maths", "")[number % 4]}
        else:
            yield {"prompt": text, "chosen": f"Yes, {number}. {_ANSWER}", "rejected": f"No, {number}. {_ANSWER}"}


def run(project: Project, line: list[str], stop_s: float, cancel_s: float = 0.0) -> tuple[Labels, float, int, int, str]:
    """The labels given while a command runs; its seconds, its peak memory (KiB), its exit status and its answer."""
    session, labels = Session(project), Labels()
    session.begin()
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(line, stdout=said, stderr=log)
        began = time.perf_counter()
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if stop_s and time.perf_counter() - began > stop_s:
                process.kill()
            if cancel_s and time.perf_counter() - began > cancel_s:
                staging.cancel(project.folder)
                labels.cancelled_at_s, cancel_s = time.perf_counter() - began, 0.0
            _label(session, labels, began)
            time.sleep(PAUSE_S)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        answer = said.read().decode()[:300].strip()
        log.seek(0)
        answer += log.read().decode()[-300:]
    return labels, took, usage.ru_maxrss, process.returncode, answer


def _label(session: Session, labels: Labels, began: float) -> None:
    assert session.item is not None
    session.item.entry.press(1)
    pressed = time.perf_counter()
    try:
        session.save(seconds=1.0)
    except UserError:
        labels.refused += 1
    else:
        labels.ms.append(1000 * (time.perf_counter() - pressed))
        labels.at_s.append(pressed - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--kind", choices=["prompts", "pairs"], default="prompts")
    parser.add_argument("--format", choices=["csv", "jsonl", "parquet"], default="csv")
    parser.add_argument("--stop", type=float, default=0.0, help="kill the import after so many seconds")
    parser.add_argument("--cancel", type=float, default=0.0, help="cancel the import after so many seconds")
    parser.add_argument("--keep", type=Path, help="keep the project in this new folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{chosen.format}"
        write_rows(path, chosen.rows, chosen.kind)
        print(f"{chosen.rows:,} {chosen.kind} as {chosen.format}, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
        with Project.create(Path(folder) / "project") as project:
            fill(project, GROUPS, LABELLED, size=2)
            line = [sys.executable, "-m", "dpo_studio", "import", "--json", "--format", chosen.kind]
            line += [str(project.folder), str(path)]
            labels, took, peak, status, answer = run(project, line, chosen.stop, chosen.cancel)
            print(f"  import: {took:.1f} s, peak {peak / 1024:,.0f} MB, exit status {status}: {answer}")
            if labels.cancelled_at_s:
                print(
                    f"  cancelled after {labels.cancelled_at_s:.0f} s, gone {took - labels.cancelled_at_s:.0f} s later"
                )
            print(f"  meanwhile {labels.said()}")
            done = rankings.counts(project).done
            print(f"  in the project: {sum(prompt_search.totals(project)):,} prompts, {done:,} labels")
        for checked in (False, True):
            began = time.perf_counter()
            with Project.open(Path(folder) / "project", checked=checked) as project:
                took = time.perf_counter() - began
                how = "checked and backed up" if checked else "as the window does"
                print(f"  opened again, {how}, in {took:.2f} s: {sum(prompt_search.totals(project)):,} prompts")
        if chosen.keep is not None:
            shutil.copytree(Path(folder) / "project", chosen.keep)


if __name__ == "__main__":
    main()
