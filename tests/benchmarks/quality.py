"""How long the report on a large project takes, and how much memory it holds.

`python -m tests.benchmarks.quality [PROMPTS] [GROUPS]` compares that many prompts, one in ten of them made from another
one by changing a word, once with prompts of their own words and once behind twenty common openings; then it fills a
project with labelled groups of four and runs `dpo-studio report --json` on it as the Quality page does. It prints
seconds of the processor, the peak of memory, and how many of the changed prompts were missed.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
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


def report(groups: int) -> None:
    """The command on a project with so many labelled groups of four."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project.create(Path(folder) / "project")
        labelling.fill(project, groups, groups, size=4)
        project.close()
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        said = subprocess.run(
            [sys.executable, "-m", "dpo_studio", "report", "--json", str(project.folder)],
            capture_output=True,
            check=True,
        ).stdout
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"report on {groups:,} labelled groups of four: {used.ru_utime - before:.1f} s,"
            f" {used.ru_maxrss / 1024:,.0f} MB, {len(said) / 1e6:.1f} MB of JSON"
        )


if __name__ == "__main__":
    prompts = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for openings in (0, 20):
        compare(prompts, openings=openings)
    report(int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
