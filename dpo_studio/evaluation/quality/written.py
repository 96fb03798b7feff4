"""The report as a file for somebody else: a page with pictures (.html), Markdown (.md), or numbers (.json)."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dpo_studio.core import report_words
from dpo_studio.core.errors import UserError

from . import drawn

SUFFIXES = (".html", ".md", ".json")
_STYLE = """
:root { color-scheme: light dark; --text: #1c1f24; --muted: #5b626d; --line: #d5d9e0; --card: #f6f7f9;
  --series: #2f6fde; --dot: .55; --warning: #8a5a00; --good: #1a7f42; --bad: #c0362c; }
@media (prefers-color-scheme: dark) { :root { --text: #e7e9ee; --muted: #a3abb8; --line: #3b414c; --card: #23272f;
  --series: #79a8ff; --dot: .75; --warning: #f0b955; --good: #63c98a; --bad: #ff8a80; } body { background: #181b20; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } .muted { color: var(--muted); } .finding { border-left: 4px solid var(--warning);
  background: var(--card); padding: .5rem .8rem; margin: .5rem 0; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-top: 1px solid var(--line); }
td:last-child, th:last-child { padding-right: 0; } td:first-child { min-width: 9rem; }
@media (min-width: 56rem) { .rows td:nth-child(-n+2) { white-space: nowrap; } }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); padding: .8rem; border-radius: 6px; }
figure { display: flex; flex-direction: column; } figcaption { margin-bottom: auto; padding-bottom: .6rem; }
svg { width: 100%; height: auto; } svg text { fill: var(--muted); font-size: 11px; }
svg .mark { fill: var(--series); } svg .dot { fill: var(--series); fill-opacity: var(--dot); }
svg .axis { stroke: var(--line); fill: none; } svg .even { stroke: var(--text); stroke-dasharray: 4 3; }
"""


def write(values: Mapping[str, Any], path: Path, *, name: str) -> None:
    """Write the report there, as the end of the file's name says; all of it or nothing.

    Args:
        name: the project's.

    Raises:
        UserError: another end of the name, or the file cannot be written.
    """
    check(path)
    how = {".html": as_html, ".md": as_markdown}.get(path.suffix.lower())
    text = json.dumps(values, ensure_ascii=False, indent=1) if how is None else how(values, name)
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", "Check that its folder is there and may be written to."
        ) from error


def check(path: Path) -> None:
    """Raise a UserError where the file's name does not say what to write."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path.name} does not say what to write.", f"End its name in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )


def as_markdown(values: Mapping[str, Any], name: str) -> str:
    """The report as Markdown with tables."""
    lines = [f"# What the labels of {_plain(name)} are worth", "", _headline(values), "", "## What stands out", ""]
    lines += [f"- {_plain(sentence)}" for sentence in _sentences(values)]
    lines += ["", report_words.CAUTION]
    for title, rows in _tables(values):
        lines += ["", f"## {title}", "", "| | | |", "|---|---|---|"]
        lines += [f"| {' | '.join(_cell(text) for text in (row.name, row.value, row.why))} |" for row in rows]
    matrix = _matrix(values["people"]["between"]["kappas"])
    if matrix:
        head, *rest = matrix
        lines += ["", "## Agreement between annotators (Cohen's kappa)", ""]
        lines += [f"| {' | '.join(map(_cell, head))} |", f"|{'---|' * len(head)}"]
        lines += [f"| {' | '.join(map(_cell, row))} |" for row in rest]
    lines += ["", "## Alike", "", *(f"- {text}" for text in _alike(values)), ""]
    return "\n".join(lines)


def as_html(values: Mapping[str, Any], name: str) -> str:
    """The report as one page that needs nothing beside it and nothing from the network."""
    said = html.escape
    title = f"What the labels of {name} are worth"
    body = [f"<h1>{said(title)}</h1>", f'<p class="muted">{said(_headline(values))}</p>', "<h2>What stands out</h2>"]
    body += [f'<p class="finding">{said(sentence)}</p>' for sentence in _sentences(values)]
    body += [f'<p class="muted">{said(report_words.CAUTION)}</p>']
    people = values["people"] if values["people"]["labels"] else values["judges"]
    figures = [
        f"<figure><figcaption><strong>{said(heading)}</strong><br>"
        f'<span class="muted">{said(sentence)}</span></figcaption>{picture}</figure>'
        for heading, sentence, picture in drawn.pictures(people)
    ]
    body += ['<div class="pictures">', *figures, "</div>"] if figures else []
    for heading, rows in _tables(values):
        cells = [
            f'<tr><td>{said(row.name)}</td><td>{said(row.value)}</td><td class="muted">{said(row.why)}</td></tr>'
            for row in rows
        ]
        body += [f"<h2>{heading}</h2>", '<table class="rows">', *cells, "</table>"]
    matrix = _matrix(values["people"]["between"]["kappas"])
    if matrix:
        table = ["".join(f"<td>{said(text)}</td>" for text in row) for row in matrix]
        body += ["<h2>Agreement between annotators (Cohen's kappa)</h2>", "<table>"]
        body += [*(f"<tr>{row}</tr>" for row in table), "</table>"]
    body += ["<h2>Alike</h2>", "<ul>", *(f"<li>{said(text)}</li>" for text in _alike(values)), "</ul>"]
    head = f'<meta charset="utf-8"><title>{said(title)}</title><style>{_STYLE}</style>'
    head += '<meta name="viewport" content="width=device-width">'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{chr(10).join(body)}</body></html>\n'


def _headline(values: Mapping[str, Any]) -> str:
    return f"{report_words.headline(values)}, read on {datetime.now():%Y-%m-%d at %H:%M} by DPO Studio."


def _sentences(values: Mapping[str, Any]) -> list[str]:
    """What stands out, each with how much is behind it."""
    found = []
    for one in values["findings"]:
        ids = [key for keys in one["prompts"] for key in keys]
        what, number = ("comparison", len(one["groups"])) if one["groups"] else ("prompt", len(ids))
        behind = f" (Behind it: {number:,} {what}{'' if number == 1 else 's'}.)" if number else ""
        found.append(one["sentence"] + behind)
    return found or ["Nothing stands out."]


def _tables(values: Mapping[str, Any]) -> list[tuple[str, list[report_words.Row]]]:
    found = []
    for title, key in (("People", "people"), ("Judges", "judges")):
        if values[key]["labels"]:
            more = report_words.judge_rows(values["each_judge"]) if key == "judges" else []
            found.append((title, [*report_words.rows(values[key]), *more]))
    return found


def _matrix(pairs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Kappa of each two annotators as a table with names around it; nothing where there are none."""
    if not pairs:
        return []
    names = sorted({name for pair in pairs for name in pair["annotators"]})
    told = {frozenset(pair["annotators"]): report_words.kappa_in_words(pair) for pair in pairs}
    rows = [[first, *(told.get(frozenset((first, other)), "") for other in names)] for first in names]
    return [["", *names], *rows]


def _alike(values: Mapping[str, Any]) -> list[str]:
    prompts, answers = values["prompts"], values["answers"]
    same, near = (sum(len(ids) - 1 for ids in prompts[key]) for key in ("same", "near"))
    return [
        f"Prompts that repeat another but for capitals and spaces: {same:,}; nearly: {near:,}.",
        f"Sets of such prompts on both sides of the held-out split: {len(prompts['across']):,}.",
        f"Labelled comparisons that hold the same answer twice: {len(answers['same']):,}; nearly:"
        f" {len(answers['near']):,}.",
        f"Answers of a line or more that several prompts got word for word: {len(answers['stock']):,}.",
    ]


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text in which Markdown finds no mark and no tag of its own."""
    text = " ".join(text.split())
    for mark in "\\`*_<[#":
        text = text.replace(mark, f"\\{mark}")
    return text
