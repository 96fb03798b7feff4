"""The command line: each command is a thin call into the rooms.

`dpo-studio` alone opens the window, `dpo-studio PROJECT` opens it on a project. A project folder that
is called like a command is opened with a path (`dpo-studio ./train`). Nothing heavy is imported
before a command needs it.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dpo_studio import (
    __version__,
    cli_data,
    cli_import,
    cli_jobs,
    cli_judge,
    cli_merge,
    cli_report,
    cli_score,
    cli_server,
)
from dpo_studio.cli_output import Reporter, reports, run
from dpo_studio.core.errors import UserError


class _Commands(click.Group):
    """A group that takes a first word which is no command as the project to open."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            args = ["open", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dpo-studio")
@click.pass_context
def cli(ctx: click.Context) -> int | None:
    """Label a local model's answers, train on them, see the difference.

    Without a command this opens the window; `dpo-studio PROJECT` opens it on a project folder.
    Every command takes --json for scripts. Exit status: 0 done, 2 a mistake in what was asked,
    1 a bug, 130 stopped with Ctrl+C.
    """
    return _open_window(None) if ctx.invoked_subcommand is None else None


@cli.command("open", hidden=True)
@click.argument("project", type=click.Path(path_type=Path), required=False)
def open_project(project: Path | None) -> int:
    """Open the window, on PROJECT when it is given."""
    if project is not None and not project.expanduser().exists():
        names = [name for name, command in cli.commands.items() if not command.hidden]
        near = difflib.get_close_matches(str(project), names, n=1)
        raise UserError(
            f"There is no command and no project folder called {str(project)!r}.",
            f"Did you mean `dpo-studio {near[0]}`?" if near else "See `dpo-studio --help`, or make it with `new`.",
        )
    return _open_window(project)


@cli.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--sample", is_flag=True, help="Start from the sample: prompts, answers and rankings are there.")
@click.option("--guideline", default="", help="What makes an answer better in this project, in a sentence or more.")
@reports
def new(out: Reporter, project: Path, sample: bool, guideline: str) -> None:
    """Make a project folder."""
    from dpo_studio.store import Project
    from dpo_studio.store.sample import copy_sample

    if sample:
        with copy_sample(project) as opened:
            if guideline:
                opened.set_fact("guideline", guideline)
            out.result(*_made(opened, sample=True))
        return
    with Project.create(project, guideline=guideline) as opened:
        out.result(*_made(opened, sample=False))


cli.add_command(cli_import.import_command)
cli.add_command(cli_import.settle_command)
cli.add_command(cli_jobs.generate_command)
cli.add_command(cli_data.label_command)
cli.add_command(cli_merge.merge_command)
cli.add_command(cli_judge.judge_command)
cli.add_command(cli_report.report)
cli.add_command(cli_score.score_command)
cli.add_command(cli_jobs.train_command)
cli.add_command(cli_data.export_command)
cli.add_command(cli_server.server)


@cli.command()
@reports
def doctor(out: Reporter) -> None:
    """Say what this machine has and what will be used."""
    from dpo_studio import cli_doctor

    out.progress("Looking at this machine…")
    checks = cli_doctor.examine()
    width = max(len(check.name) for check in checks)
    lines = [f"{check.mark} {check.name:<{width}}  {check.says}" for check in checks]
    out.result({"ok": all(c.ok for c in checks), "checks": [c.to_json() for c in checks]}, "\n".join(lines))


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@reports
def tour(out: Reporter, folder: Path | None) -> None:
    """Go round the whole loop without a window, on the sample and the starter model."""
    from dpo_studio import tour as whole_loop

    summary = whole_loop.main(folder, report=out.progress)
    out.result(summary.to_json(), summary.text())


@cli.group(hidden=True)
def worker() -> None:
    """The processes that the window starts; not for people."""


@worker.command("generate")
def worker_generate() -> int | None:
    """Answer the commands on stdin with events on stdout, until stdin ends."""
    from dpo_studio.generation.worker import main as serve

    return serve()


@worker.command("judge")
def worker_judge() -> int | None:
    """Answer the commands on stdin with events on stdout, until stdin ends."""
    from dpo_studio.judging.worker import main as serve

    return serve()


@worker.command("estimate")
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--tied", is_flag=True, help="End when stdin does.")
def worker_estimate(run_folder: Path, tied: bool) -> int | None:
    """Say what the prepared run in this folder will take, by two measured steps."""
    from dpo_studio.training.estimate import main as estimate

    return estimate(run_folder, tied=tied)


@worker.command("train")
@click.argument("run_folder", type=click.Path(path_type=Path))
def worker_train(run_folder: Path) -> int | None:
    """Train the run in RUN_FOLDER; everything it says goes to its events.jsonl."""
    from dpo_studio.training.worker import main as train

    return train(run_folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: run the command line and exit."""
    sys.exit(run(cli, sys.argv[1:] if arguments is None else arguments))


def _open_window(project: Path | None) -> int:
    from dpo_studio.ui import app

    return app.main(None if project is None else project.expanduser())


def _made(project: Any, *, sample: bool) -> tuple[dict[str, Any], str]:
    from dpo_studio.store import prompts, rankings

    counts = rankings.counts(project)
    values = {
        "project": str(project.folder),
        "sample": sample,
        "prompts": prompts.count(project),
        "groups": counts.ready,
        "rankings": counts.rankings,
        "guideline": project.guideline,
    }
    inside = f" with {values['prompts']} prompts and {counts.rankings} rankings" if sample else ""
    return values, f"Made {project.folder}{inside}. Open it with: dpo-studio {project.folder}"


if __name__ == "__main__":
    main()
