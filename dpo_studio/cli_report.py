"""`dpo-studio report`: what the labels of a project are worth."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dpo_studio.cli_output import Reporter, followed, reports


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--out", "destination", type=click.Path(path_type=Path), help="Write it to a file: .html, .md or .json.")
@followed
@reports
def report(out: Reporter, project: Path, destination: Path | None) -> None:
    """Say what the labels of PROJECT are worth: bias, haste, agreement, circles, duplicates.

    Nothing is changed, and Ctrl+C ends it. With --json --follow its parts come as they are known, a JSON object a line.
    """
    from dpo_studio.evaluation.quality import in_words, written
    from dpo_studio.evaluation.quality import report as quality
    from dpo_studio.store import Project

    if destination is not None:
        written.check(destination)
    values: dict[str, Any] = {}
    with _without_collecting(), Project.open(project) as opened:
        for part in quality.parts(opened, out.underway):
            values |= part
            out.more(part)
    if destination is not None:
        written.write(values, destination, name=project.resolve().name)
        out.result({"out": str(destination)}, f"The report is in {destination}.")
        return
    out.result({} if out.follow else values, "" if out.as_json else in_words.text(values))


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Context: garbage is not looked for among what stays to the end, which took a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
