"""Text from elsewhere in tool tips: nothing in it is taken for HTML, and no picture it names is read."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QLabel, QToolTip, QWidget

from dpo_studio.ui.label.panels import label
from dpo_studio.ui.prompts.import_table import ImportTable
from dpo_studio.ui.quality.evidence_list import row
from dpo_studio.ui.widgets.plain_tip import plain_tip

PICTURE = '<img src="file:///somewhere/private.png">what it says'
TEXTS = [PICTURE, "<b>bold</b>\nand  two   blanks", "a < b &amp; c &lt;", "<p>", "plain"]


class Pictures(QTextDocument):
    """A document that notes what it is asked to read."""

    asked: list

    def loadResource(self, _kind, name):
        self.asked.append(name.toString())
        return None


def as_shown(qtbot, tip):
    """What a tool tip says, by the widget that shows it, and the pictures that its text would read."""
    host = QWidget()
    qtbot.addWidget(host)
    host.show()
    QToolTip.showText(host.mapToGlobal(host.rect().center()), tip, host)
    shown = next(one for one in host.findChildren(QLabel) if one.inherits("QTipLabel"))
    document = Pictures()
    document.asked = []
    document.setHtml(shown.text())
    document.adjustSize()
    QToolTip.hideText()
    return document.toPlainText() if "<" in tip else shown.text(), document.asked


@pytest.mark.parametrize("text", TEXTS)
def test_a_tip_says_what_was_written(qtbot, text):
    assert as_shown(qtbot, plain_tip(text)) == (text, [])


def test_without_it_a_picture_would_be_read(qtbot):
    assert set(as_shown(qtbot, PICTURE)[1]) == {"file:///somewhere/private.png"}, "or this file tests nothing"


def test_cells_of_an_import_and_titles_of_prompts_are_told_as_they_are(qtbot):
    table = ImportTable()
    qtbot.addWidget(table)
    table.show_source(["prompt"], [[PICTURE]], ["prompt"], {"prompt": "prompt"})
    for tip in (table.item(1, 0).toolTip(), row([PICTURE], None).toolTip(0)):
        assert as_shown(qtbot, tip) == (PICTURE, [])


def test_labels_of_the_label_page_show_marks_as_they_are(qapp):
    made = label("badge", "")
    made.setText(PICTURE)  # as an imported flag may be
    assert made.textFormat() == Qt.TextFormat.PlainText
    assert made.sizeHint().width() >= made.fontMetrics().horizontalAdvance(PICTURE), "all of it is shown"
