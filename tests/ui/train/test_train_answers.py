"""The answers before and after a run."""

from __future__ import annotations

from tests.ui.train import stories


def test_before_and_after_stand_side_by_side(qtbot, open_page, project):
    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.show_run(run.id)
    qtbot.waitUntil(lambda: page.view.feed.outcome is not None)
    rows = page.view.answers._rows
    assert len(rows) == 4
    row = next(iter(rows.values()))
    assert "The Quiet Tide" in row._views["before"].toPlainText()
    after = row._views["after"].toPlainText()
    assert "Low Tide, Salt & Crumb." in after and "[picture: x]" in after
    assert row._notes["before"].text() == "cut off"
    assert "café by the sea" in row.findChildren(type(page.view.title))[0].text()
    assert [row._steps.itemText(n) for n in range(row._steps.count())] == ["step 8", "step 16", "step 24", "step 32"]
    assert "number 32" in row._fresh.toPlainText() and not row.fresh_frame.isHidden()
    row._steps.setCurrentIndex(1)
    assert "number 16" in row._fresh.toPlainText()
    row.show_answers({**next(iter(page.view.feed.record.answers.values()))})
    assert "number 16" in row._fresh.toPlainText()


def test_an_answer_loads_nothing_from_this_disk_or_the_web(qtbot, light, tmp_path):
    from PySide6.QtGui import QColor, QImage, QTextDocument

    from dpo_studio.ui.train.before_after import AnswerView

    picture = tmp_path / "secret.png"
    image = QImage(40, 40, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    assert image.save(str(picture))
    view = AnswerView("an answer")
    qtbot.addWidget(view)
    view.show_answer(f"![a]({picture})\n\n![b][r]\n\n<img src='{picture}'>\n\n[r]: file://{picture}\n")
    view.resize(300, 200)
    view.show()
    for name in (str(picture), f"file://{picture}", "https://example.org/x.png"):
        loaded = view.document().resource(QTextDocument.ResourceType.ImageResource.value, name)
        assert loaded is None or loaded.width() <= 1
    pixels = view.grab().toImage()
    red = sum(pixels.pixelColor(x, y) == QColor("red") for x in range(pixels.width()) for y in range(pixels.height()))
    assert red == 0
    assert view.openLinks() is False
