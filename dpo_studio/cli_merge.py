"""The command that merges another copy of a project."""

from __future__ import annotations

from pathlib import Path

import click

from dpo_studio.cli_output import Reporter, counted, reports


@click.command("merge")
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--as", "other_name", default="", help="Who labelled in OTHER, where both copies use one name.")
@reports
def merge_command(out: Reporter, project: Path, other: Path, other_name: str) -> None:
    """Add the labels of OTHER, another copy of the project, to PROJECT: all or nothing.

    Both people's labels are kept, and each counts in training. A prompt that either copy holds out is held out.
    OTHER is left as it is, and its runs are not copied. Merging again adds only what is new.
    """
    from dpo_studio.store import Project, merging

    with Project.open(project) as opened:
        done = merging.merge(opened, other, other_name=other_name)
    text = f"Merged {counted(done.rankings, 'judgement')}, with {counted(done.prompts, 'new prompt')},"
    text += f" {counted(done.groups, 'new group')} and {counted(done.completions, 'new answer')}."
    if done.held_out:
        text += f" Held out now, as in the other copy: {counted(done.held_out, 'prompt')}."
    if done.runs_left:
        text += f" Not copied: {counted(done.runs_left, 'run')}, which stay in the other copy's folder."
    out.result(done.to_json(), text)
