"""The command `import`: what it takes, what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpo_studio.cli_output import Reporter, counted, followed, reports
from dpo_studio.core.errors import UserError

if TYPE_CHECKING:
    from dpo_studio.exchange.importing import Imported
    from dpo_studio.exchange.readers import Source
    from dpo_studio.store import Project
    from dpo_studio.store.settling import Told

#: What is done to rows one after the other, and in which part of an import of large files (by its time).
_STAGES = {"read": (0.0, 0.2), "written": (0.2, 0.55), "made searchable": (0.55, 1.0), "taken back": (0.0, 1.0)}


@click.command("import")
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("source")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", "prompts", "completions", "pairs", "rankings"]),
    default="auto",
    show_default=True,
    help="auto looks at the first row.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="MEANING=NAME",
    help="Which column is the prompt, messages, system, tags, chosen, … (--preview lists them); MEANING= is none."
    " May be repeated.",
)
@click.option("--tags", default="", help="For prompts: tags for all of them, with commas between.")
@click.option("--annotator", default="", help="Who judged, for rows that do not say.")
@click.option("--encoding", default="", help="Of a text file, such as cp1252; it is worked out otherwise.")
@click.option("--blocks", type=click.Choice(["lines", "paragraphs"]), help="In plain text, what one prompt is.")
@click.option("--split", default="", help="Of a data set: train, test, … Default: train, or the first.")
@click.option("--config", default="", help="Of a data set of the Hub that has several configurations.")
@click.option("--skip-bad", is_flag=True, help="Import the good rows although some cannot be used.")
@click.option("--preview", is_flag=True, help="Only say what would be imported, with the first rows.")
@click.option("--expected", type=int, default=0, hidden=True, help="How many rows there are, where a preview said it.")
@followed
@reports
def import_command(
    out: Reporter,
    project: Path,
    source: str,
    kind: str,
    columns: tuple[str, ...],
    preview: bool,
    expected: int,
    **asked: Any,
) -> None:
    """Import prompts, completions, preference pairs or rankings from SOURCE: all of it, or nothing.

    SOURCE is a text file (a prompt a line), JSON, JSON lines, CSV, TSV, Parquet or Arrow (text may be packed as .gz),
    a folder of such files, one that `export` or the `datasets` library saved, or the name of a data set on the
    Hugging Face Hub, owner/name.
    """
    from dpo_studio.core.prompt_rows import tags_of
    from dpo_studio.exchange import readers
    from dpo_studio.exchange.columns import kind_of
    from dpo_studio.store import Project

    said = _columns(columns)
    tags = list(tags_of(asked["tags"]))
    with Project.open(project, settled=not preview, checked=not preview) as opened:
        how = readers.Asked(asked["encoding"], asked["split"], asked["config"], asked["blocks"] or "")
        found = readers.open_source(source, how)
        if kind == "auto":
            kind = "prompts" if tags else kind_of(found, said)
        if tags and kind != "prompts":
            raise UserError("--tags is for prompts only.", "Leave it out.")
        if preview:
            out.result(*_previewed(opened, found, kind, said, tags, asked["annotator"], _telling(out, 0)))
            return
        how_taken = {"skip_bad": asked["skip_bad"], "told": _telling(out, expected)}
        with refusals_listed(out):
            if kind == "prompts":
                _import_prompts(out, opened, found, said, tags=tags, **how_taken)
            else:
                _import_judgements(out, opened, found, said, kind=kind, annotator=asked["annotator"], **how_taken)


@click.command("settle", hidden=True)
@click.argument("project", type=click.Path(path_type=Path))
@followed
@reports
def settle_command(out: Reporter, project: Path) -> None:
    """Finish an import or a merge that was interrupted while it was written, or take back what was cancelled.

    Every other command does so first.
    """
    from dpo_studio.store import Project, settling

    with Project.open(project, settled=False) as opened:
        cancelled = settling.settle(opened, _telling(out, 0))
    out.result({"settled": True, "cancelled": cancelled}, "Nothing is left to do.")


@contextmanager
def refusals_listed(out: Reporter) -> Iterator[None]:
    """Show the rows because of which nothing was imported; with --json they are in the answer."""
    from dpo_studio.exchange.refusals import ImportRefused, listed

    try:
        yield
    except ImportRefused as error:
        if not out.as_json:
            out.progress("\n".join(listed(error.refused)))
        raise


def said_of(done: Imported, one: str) -> str:
    """What an import of judgements or completions did, in words.

    Args:
        one: what a row is, such as "ranking".
    """
    from dpo_studio.exchange.refusals import listed

    text = f"Imported {counted(done.rankings, one)}"
    text += f", with {counted(done.prompts, 'new prompt')} and {counted(done.groups, 'new group')}."
    text += f" {already(done.duplicates)}." if done.duplicates else ""
    if done.refused:
        text += f" Left out {counted(len(done.refused), 'row')}."
    return "\n".join([text, *listed(done.refused)])


def already(count: int) -> str:
    """How many rows say what stands already, in words."""
    return f"{count:,} {'was' if count == 1 else 'were'} there already"


def _telling(out: Reporter, expected: int) -> Told:
    """Tells who waits how far it is, in words.

    Args:
        expected: how many rows are going to be read; 0 where it is not known.
    """

    def told(stage: str, done: int, total: int) -> None:
        total = total or expected
        begin, end = _STAGES[stage]
        share = begin + (end - begin) * min(done / total, 1.0) if total else None
        out.underway(share, f"{done:,} of {total:,} rows {stage}" if total else f"{done:,} rows {stage}")

    return told


def _columns(given: tuple[str, ...]) -> dict[str, str]:
    said: dict[str, str] = {}
    for item in given:
        meaning, equals, name = item.partition("=")
        if not (meaning and equals):
            raise UserError(f"--column {item} is not understood.", "Write it as --column prompt=NAME.")
        said[meaning.strip()] = name.strip()
    return said


def _import_prompts(out: Reporter, project: Project, source: Source, said: dict[str, str], **how: Any) -> None:
    from dpo_studio.exchange import prompt_importing
    from dpo_studio.exchange.refusals import listed

    done = prompt_importing.run(project, source, said, **how)
    _say_how(out, source, done.columns.meant, done.notes)
    text = f"Imported {counted(done.added, 'prompt')}."
    keep = " (what is there keeps its tags)" if how["tags"] else ""
    text += f" {already(done.duplicates)}{keep}." if done.duplicates else ""
    text += f" Left out {counted(len(done.refused), 'row')}." if done.refused else ""
    out.result({"format": "prompts", **done.to_json()}, "\n".join([text, *listed(done.refused)]))


def _import_judgements(
    out: Reporter, project: Project, source: Source, said: dict[str, str], *, kind: str, **how: Any
) -> None:
    from dpo_studio.exchange import importing

    done = importing.judgements(project, source, kind=kind, said=said, **how)
    _say_how(out, source, done.columns.meant if done.columns else {}, done.notes)
    one = {"rankings": "ranking", "pairs": "pair", "completions": "group of answers"}[kind]
    out.result({"format": kind, **done.to_json()}, said_of(done, one))


def _say_how(out: Reporter, source: Source, meant: dict[str, str], notes: list[str]) -> None:
    if meant and not source.only_prompts:
        out.progress("Read " + ", ".join(f"{name} as {meaning}" for meaning, name in meant.items()) + ".")
    for note in notes:
        out.progress(note)


def _previewed(
    project: Project,
    source: Source,
    kind: str,
    said: dict[str, str],
    tags: list[str],
    annotator: str,
    told: Told,
) -> tuple[dict[str, Any], str]:
    from dpo_studio.exchange import preview
    from dpo_studio.exchange.refusals import Refused, listed

    answer = preview.preview(project, source, kind=kind, said=said, tags=tags, annotator=annotator, told=told)
    read = f"{answer['source']}: {answer['reader']}" + (f" in {answer['encoding']}" if answer["encoding"] else "")
    lines = [f"{read}, read as {kind}.", *answer["notes"]]
    if answer["columns"]:
        lines.append(f"Columns: {', '.join(answer['columns'])}.")
    if answer["meanings"]:
        lines.append("Read " + ", ".join(f"{name} as {what}" for what, name in answer["meanings"].items()) + ".")
    if answer["problem"]:
        return answer, "\n".join([*lines, f"{answer['problem']} {answer['hint']}".strip()])
    for row in answer["rows"]:
        lines.append(f"— {row['place']}" + ("" if row["new"] else " (there already)"))
        lines += [f"  {message['role']}: {message['content']}" for message in row["messages"]]
        lines += [f"  {_placed(one)}: {one['text']}" for one in row["completions"]]
        lines += [f"  tags: {', '.join(row['tags'])}"] if row["tags"] else []
    total = f"{answer['added']:,} of {counted(answer['total'], 'row')} would be imported"
    lines.append(f"{total}; {answer['duplicates']:,} are there already, {answer['refused_count']:,} cannot be used.")
    if answer["refused"]:
        refused = [Refused(one["place"], one["reason"]) for one in answer["refused"]]
        lines += listed(refused, total=answer["refused_count"])
        lines.append("With rows that cannot be used nothing is imported, unless --skip-bad is given.")
    return answer, "\n".join(lines)


def _placed(completion: dict[str, Any]) -> str:
    return "answer" if completion["rank"] is None else f"answer, rank {completion['rank']}"
