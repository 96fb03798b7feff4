"""The report's numbers and pictures, and what they lead to."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication

from dpo_studio.core import report_words as wording
from dpo_studio.evaluation.quality import report as quality
from dpo_studio.ui.quality.evidence import Evidence
from dpo_studio.ui.quality.report_view import ReportView
from tests.ui.quality.labelled import add_group, fill, label, texts


def test_pictures_and_numbers_lead_to_groups(qtbot, project, light, qapp):
    fill(project)
    first = add_group(project, "three", ("a", "bb", "ccc"))
    label(project, first, (1, 2, 3))
    for n in range(25):
        group = add_group(project, f"both {n}")
        for who in ("bob", "eve"):
            label(project, group, (1, 2) if (n % 3 and who == "bob") else (2, 1), annotator=who)
    view = ReportView()
    qtbot.addWidget(view)
    view.resize(1200, 800)
    view.show()
    report = quality.make(project)
    view.show_report(report)
    wanted = []
    view.wanted.connect(wanted.append)
    assert "Where the best of 2 stood when 74 labels were given" in view.places.sentence.text()
    assert view.days.sentence.text().startswith("One day with labels; the most, 75")
    dots = view.lengths._dots.points()
    assert {(dot.pos().y(), dot.pos().x()) for dot in dots} >= {(34.0, 6.0), (1.0, 3.0)}
    view.lengths._dots.sigClicked.emit(view.lengths._dots, [dots[0]], None)
    assert wanted.pop().groups == (int(dots[0].data()),)
    view.agreement.table.cellClicked.emit(0, 1)
    behind = wanted.pop()
    assert behind.sentence == "bob and eve differ" and len(behind.groups) == 16
    row = next(button for button in view.people.buttons if "Agreement of all" in button.accessibleName())
    row.click()
    assert wanted.pop() == Evidence("Agreement of all", behind.groups)
    light.apply(qapp, "dark")
    assert view.lengths.plot.backgroundBrush().color().name() == light.DARK.card
    assert view.days.isHidden() and view.agreement.isVisibleTo(view), "one day is no picture"
    view.resize(500, 800)
    QApplication.processEvents()
    assert view._columns == 1
    view.show_report(quality.make(project))  # the same again


def test_rows_say_when_there_are_too_few(project):
    label(project, add_group(project, "only"), (1, 2))
    rows = {row.name: row for row in wording.rows(quality.make(project)["people"])}
    assert rows["The longer answer won"].value == "0 of 1 (too few to tell)"
    assert rows["Best against worst"].value == "too few to tell"
    assert rows["Faster than can be read"].value == "none yet"
    assert rows["Circles"].value == "0 sets of answers"


def test_judges_are_told_beside_the_people_they_agree_with(project):
    for n in range(6):
        group = add_group(project, f"question {n}")
        label(project, group, (1, 2))
        label(project, group, (1, 2) if n else (2, 1), annotator="rules", annotator_kind="judge")
    (row,) = wording.judge_rows(quality.make(project)["each_judge"])
    assert (row.name, len(row.groups)) == (f"rules and {project.annotator}", 6)
    assert row.value.startswith("83% of pairs alike (")
    order = {"judge": "m", "disagreement": 0.5, "disagreement_interval": [0.4, 0.6], "people": []}
    assert wording.judge_rows([order])[0].value == "50% (40% to 60%)"


def test_the_wheel_over_a_picture_scrolls_the_page(qtbot, project, light):
    from PySide6.QtGui import QWheelEvent

    from dpo_studio.ui.quality.pictures import DaysPicture

    picture = DaysPicture()
    qtbot.addWidget(picture)
    picture.show_days({"2026-01-02": 3, "2026-01-30": 5})
    wheel = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPointF(0, 0).toPoint(),
        QPointF(0, 120).toPoint(),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    before = picture.plot.viewRange()
    picture.plot.wheelEvent(wheel)
    assert not wheel.isAccepted() and picture.plot.viewRange() == before
    assert picture.sentence.text() == "2 days with labels; the most, 5, on 2026-01-30."


def test_numbers_of_what_is_not_read_yet_are_left_out(qtbot, project, light):
    fill(project)
    view = ReportView()
    qtbot.addWidget(view)
    parts = list(quality.parts(project))
    view.show_report(parts[0])
    assert not any("longer answer" in text for text in texts(view.people)) and view.lengths.isHidden()
    assert not any("Nothing stands out" in text for text in texts(view.findings))
    view.show_report({**parts[0], **parts[1]})
    assert any("longer answer" in text for text in texts(view.people)) and view.findings.buttons
