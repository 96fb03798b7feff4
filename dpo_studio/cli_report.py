"""`dpo-studio report`: what the labels of a project are worth."""

from __future__ import annotations

from pathlib import Path

import click

from dpo_studio.cli_output import Reporter, reports


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@reports
def report(out: Reporter, project: Path) -> None:
    """Say what the labels of PROJECT are worth: bias, haste, agreement, circles, duplicates."""
    from dpo_studio.evaluation.quality import in_words
    from dpo_studio.evaluation.quality import report as quality
    from dpo_studio.store import Project

    with Project.open(project) as opened:
        values = quality.make(opened)
    out.result(values, in_words.text(values))
