"""The command that merges another copy of a project."""

from __future__ import annotations

from pathlib import Path

import click

from dpo_studio.cli_output import Reporter, ending_cleanly, followed, reports


@click.command("merge")
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--as", "other_name", default="", help="Who labelled in OTHER, where both copies use one name.")
@followed
@reports
def merge_command(out: Reporter, project: Path, other: Path, other_name: str) -> None:
    """Add the labels of OTHER, another copy of the project, to PROJECT: all or nothing.

    Both people's labels are kept, and each counts in training. A prompt that either copy holds out is held out.
    OTHER is left as it is, and its runs are not copied. Merging again adds only what is new. Ctrl+C ends it, and then
    nothing was merged; once it is being written it is too late for that, and the rest is written when PROJECT is
    opened next.
    """
    from dpo_studio.store import Project, merging, settling

    with ending_cleanly(), Project.open(project) as opened:
        try:
            done = merging.merge(opened, other, other_name=other_name, told=out.underway)
        except KeyboardInterrupt:
            if not settling.is_settled(opened):
                out.progress("It was too late to stop: the rest is written when the project is opened next.")
            raise
    out.result(done.to_json(), done.sentence())
