"""`dpo-studio report`: what the labels of a project are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dpo_studio.cli_output import Reporter, followed, reports


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@followed
@reports
def report(out: Reporter, project: Path) -> None:
    """Say what the labels of PROJECT are worth: bias, haste, agreement, circles, duplicates.

    Nothing is changed, and Ctrl+C ends it. With --json --follow its parts come as they are known, a JSON object a line.
    """
    from dpo_studio.evaluation.quality import in_words
    from dpo_studio.evaluation.quality import report as quality
    from dpo_studio.store import Project

    with Project.open(project) as opened:
        values: dict[str, Any] = {}
        for part in quality.parts(opened, out.underway):
            values |= part
            out.more(part)
    out.result({} if out.follow else values, "" if out.as_json else in_words.text(values))
