"""Commands that move data: label, export. What imports is in `cli_import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpo_studio.cli_import import refusals_listed, said_of
from dpo_studio.cli_output import Reporter, counted, reports
from dpo_studio.core.errors import UserError

if TYPE_CHECKING:
    from dpo_studio.store import Project


@click.command("label")
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    required=True,
    help="JSON lines, JSON, CSV or Parquet: rows of group (or prompt and completions) and ranks.",
)
@click.option("--annotator", default="", help="Who judged, for rows that do not say.")
@click.option("--judge", is_flag=True, help="A judge made these, not a person: kept apart from people's labels.")
@click.option("--skip-bad", is_flag=True, help="Take the good rows although some cannot be used.")
@reports
def label_command(out: Reporter, project: Path, source: Path, annotator: str, judge: bool, skip_bad: bool) -> None:
    """Take rankings made elsewhere, or by a judge: all of them, or none.

    A row is {"prompt": …, "completions": […], "ranks": [1, 2, null, …]}: ranks per completion, 1 is
    best, equal ranks are ties, null is unranked. "group" (a uuid) may stand for prompt and completions.
    """
    from dpo_studio.exchange import importing
    from dpo_studio.store import Project

    with Project.open(project) as opened, refusals_listed(out):
        done = importing.judgements(
            opened,
            source,
            kind="rankings",
            annotator=annotator,
            annotator_kind="judge" if judge else "person",
            skip_bad=skip_bad,
        )
        out.result({"format": "rankings", **done.to_json()}, said_of(done, "ranking"))


@click.command("export")
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("dest", type=click.Path(path_type=Path), required=False)
@click.option("--as", "kind", type=click.Choice(["preference", "ranking", "adapter", "model"]), required=True)
@click.option("--run", "run_name", help="Which run's adapter or model. Default: the last run that left one.")
@click.option("--format", "file_format", type=click.Choice(["jsonl", "parquet"]), default="jsonl", show_default=True)
@click.option(
    "--held-out",
    type=click.Choice(["split", "leave-out", "together"]),
    default="split",
    show_default=True,
    help="Held-out prompts: a test split of their own, not exported, or among the rest.",
)
@click.option(
    "--pairs",
    type=click.Choice(["all", "best_worst"]),
    default="all",
    show_default=True,
    help="For preference: every ordered pair of a ranking, or its best against its worst.",
)
@click.option("--judges", default="", metavar="NAME|all", help="Rankings of a judge too, where no person judged.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export in DEST.")
@click.option("--preview", is_flag=True, help="Only say what would be written, with the first rows.")
@reports
def export_command(out: Reporter, project: Path, dest: Path | None, kind: str, preview: bool, **asked: Any) -> None:
    """Write the project's preferences or a trained adapter to the folder DEST, with a card.

    preference: pairs that TRL's DPOTrainer takes. ranking: whole rankings, which `import` reads back.
    adapter: what a run learned, for PEFT. model: the same as a whole model, an adapter merged into its base. Data
    opens with datasets.load_dataset(DEST).
    """
    from dpo_studio.store import Project

    if dest is None and not preview:
        raise UserError("An export needs a folder to write to.", "Name it after the project, or use --preview.")
    with Project.open(project) as opened:
        if kind == "adapter":
            values, text = _export_adapter(opened, dest, asked, preview=preview)
        elif kind == "model":
            values, text = _export_model(opened, dest, asked, preview=preview)
        else:
            values, text = _export_data(opened, dest, kind, asked, preview=preview)
        out.result(values, text)


def _export_data(
    project: Project, dest: Path | None, kind: Any, asked: dict[str, Any], *, preview: bool
) -> tuple[dict[str, Any], str]:
    import json

    from dpo_studio.exchange import dataset

    planned = dataset.plan(project, kind, held_out=asked["held_out"], pairs=asked["pairs"], judges=asked["judges"])
    values = planned.to_json()
    counts = ", ".join(f"{split} {count:,}" for split, count in planned.counts.items()) or "no rows"
    left_out = ", ".join(f"{item.count:,} {item.what}" for item in planned.left_out)
    judges = f" ({planned.by_judges:,} by judges)" if planned.by_judges else ""
    said = f"{counts}, from {counted(planned.rankings, 'ranking')}{judges}."
    said += f" Left out: {left_out}." if left_out else ""
    if preview or dest is None:
        first = [dict(row) for row in planned.first_rows()]
        lines = [said, *(json.dumps(row, ensure_ascii=False) for row in first)]
        return {**values, "columns": list(planned.columns), "first_rows": first}, "\n".join(lines)
    folder = dataset.write(project, planned, dest, file_format=asked["file_format"], overwrite=asked["overwrite"])
    return {**values, "folder": str(folder), "files": _names(folder)}, f"Wrote {folder}: {said}"


def _export_adapter(
    project: Project, dest: Path | None, asked: dict[str, Any], *, preview: bool
) -> tuple[dict[str, Any], str]:
    from dpo_studio.exchange import adapter
    from dpo_studio.store import runs

    run = runs.find(project, asked["run_name"]) if asked["run_name"] else _last_run_with_adapter(project)
    known = adapter.facts(project, run)
    values = {"kind": "adapter", **known.to_json()}
    copied = [{"name": path.name, "bytes": path.stat().st_size} for path in adapter.files(project, run)]
    size = sum(file["bytes"] for file in copied) / 1e6
    said = f"the adapter of {run.name} for {known.base}, {size:.1f} MB"
    if preview or dest is None:
        return {**values, "files": copied}, f"It would be {said}."
    folder = adapter.write(project, run, dest, overwrite=asked["overwrite"])
    return {**values, "folder": str(folder), "files": _names(folder)}, f"Wrote {folder}: {said}."


def _export_model(
    project: Project, dest: Path | None, asked: dict[str, Any], *, preview: bool
) -> tuple[dict[str, Any], str]:
    from dpo_studio.exchange import adapter, whole_model
    from dpo_studio.store import runs

    if asked["run_name"]:
        run = runs.find(project, asked["run_name"])
    else:
        runs_there_are = whole_model.all_exportable(project)
        if not runs_there_are:
            raise UserError("No run has left an adapter or a model yet.", "Train first: dpo-studio train PROJECT.")
        run = runs_there_are[-1]
    left = whole_model.folder_of(project, run)
    known = adapter.facts(project, run)
    values = {"kind": "model", **known.to_json()}
    how = "the model of" if whole_model.is_whole(run) else "the base with the adapter merged in, of"
    if preview or dest is None:
        files = [{"name": path.name, "bytes": path.stat().st_size} for path in sorted(left.iterdir()) if path.is_file()]
        return {**values, "files": files}, f"It would be {how} {run.name}, which began as {known.base}."
    folder = whole_model.write(project, run, dest, overwrite=asked["overwrite"])
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    said = f"{how} {run.name}, which began as {known.base}, {size:,.1f} MB"
    return {**values, "folder": str(folder), "files": _names(folder)}, f"Wrote {folder}: {said}."


def _last_run_with_adapter(project: Project) -> Any:
    from dpo_studio.exchange import adapter
    from dpo_studio.store import runs

    for run in reversed(runs.all_runs(project)):
        try:
            adapter.folder_of(project, run)
        except UserError:
            continue
        return run
    raise UserError("No run has left an adapter yet.", "Train one first: dpo-studio train PROJECT.")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
