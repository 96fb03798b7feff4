"""The report as a file: what is in it, whole and safe to open."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from dpo_studio import cli
from dpo_studio.cli_output import run
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message
from dpo_studio.evaluation.quality import drawn, report, written
from dpo_studio.store import Project, completions, prompts, rankings

BAD_NAME = "Eve <script>alert(1)</script> | *x*"


@pytest.fixture
def folder(tmp_path):
    with Project.create(tmp_path / "a & b") as project:
        for n in range(30):
            prompt = prompts.add(project, [Message("user", f"question {n}")])
            group = completions.add_group(project, prompt.id, size=2)
            for text in ("short", "a much longer answer"):
                completions.add(project, group.id, text)
            group = completions.get_group(project, group.id)
            shown = [one.id for one in group.completions][:: 1 if n % 2 else -1]
            for who in (BAD_NAME, "Ben"):
                rankings.add(project, group, ranks=(2, 1), annotator=who, presented=shown, seconds=9.0)
    return tmp_path / "a & b"


@pytest.mark.parametrize("end", ["html", "md", "json"])
def test_the_command_writes_the_file(folder, tmp_path, capfd, end):
    path = tmp_path / f"out.{end}"
    assert run(cli.cli, ["report", str(folder), "--out", str(path)]) == 0
    assert capfd.readouterr().out.strip() == f"The report is in {path}."
    text = path.read_text(encoding="utf-8")
    with Project.open(folder) as project:
        values = report.make(project)
    if end == "json":
        assert json.loads(text) == json.loads(json.dumps(values))
    else:
        assert values["findings"] and all(one["sentence"].split(":")[0] in text for one in values["findings"])
        assert "60 labels by 2 people" in text and "Cohen's kappa" in text
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".partial")] == []


def test_a_name_is_text_and_never_a_tag(folder):
    with Project.open(folder) as project:
        values = report.make(project)
    page, markdown = written.as_html(values, "a & b"), written.as_markdown(values, "a & b")
    assert "<script" not in page and "&lt;script&gt;" in page and "a &amp; b" in page
    assert "\\<script>" in markdown and "\\|" in markdown and "\\*x\\*" in markdown
    assert "http" not in page.replace("http-equiv", "")


def test_pictures_are_well_formed_and_hold_what_there_is():
    said = {
        "length": {"points": [[1, 30, 10], [2, 5, 40]]},
        "position": {"places": [{"size": 3, "counts": [4, 0, 2]}]},
        "a_day": {"2026-01-01": 3, "2026-01-04": 6},
    }
    by_name = {heading: ElementTree.fromstring(picture) for heading, _, picture in drawn.pictures(said)}
    lengths, places, days = by_name.values()
    dots = lengths.findall("circle")
    assert len(dots) == 2
    right, top = max(float(dot.get("cx")) for dot in dots), min(float(dot.get("cy")) for dot in dots)
    assert right + 3 < 408 and top - 3 > 10, "no dot is cut by the edge of its picture"
    assert [picture.get("aria-label") for picture in by_name.values()] == list(by_name)
    line = lengths.find("line[@class='even']")
    ends = [float(line.get(name)) for name in ("x1", "y1", "x2", "y2")]
    above = [
        float(dot.get("cy")) < ends[1] + (float(dot.get("cx")) - ends[0]) * (ends[3] - ends[1]) / (ends[2] - ends[0])
        for dot in dots
    ]
    assert above == [True, False], "above the line the longer answer won"
    heights = [float(bar.get("height")) for bar in places.findall("rect")]
    assert heights[1] == 0 and heights[0] == pytest.approx(2 * heights[2], abs=0.2)
    assert [bar.find("title").text.split(": ")[1] for bar in days.findall("rect")] == ["3", "0", "0", "6"]


def test_nothing_is_drawn_of_nothing(tmp_path):
    with Project.create(tmp_path / "empty") as project:
        values = report.make(project)
    assert "<figure" not in written.as_html(values, "empty") and "Nothing stands out" in written.as_markdown(
        values, "e"
    )


def test_a_file_that_cannot_be_is_refused_before_anything_is_read(folder, tmp_path, capfd):
    assert run(cli.cli, ["report", str(folder), "--out", str(tmp_path / "out.pdf")]) == 2
    assert "End its name in .html, .md or .json" in capfd.readouterr().err
    with pytest.raises(UserError, match="cannot be written"):
        written.write({}, tmp_path / "nowhere" / "out.json", name="x")
