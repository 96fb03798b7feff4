"""What a model wrote is shown as text and never acted upon."""

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QTextDocument, QTextTable

from dpo_studio.ui import theme
from dpo_studio.ui.label import markdown, word_diff
from dpo_studio.ui.label.reader import Reader


def shown(text):
    document = QTextDocument()
    markdown.render(document, text, theme.LIGHT)
    return document


def test_html_is_text(qapp):
    text = "<script>alert(1)</script> <b>bold</b> <img src='http://example.com/a.png'>"
    assert shown(text).toPlainText().strip() == text


def test_pictures_become_their_description_and_nothing_is_read(qtbot, tmp_path):
    picture = tmp_path / "secret.png"
    picture.write_bytes(b"not a picture")
    asked = []

    class Watched(Reader):
        def loadResource(self, kind, name):
            asked.append(name)
            return super().loadResource(kind, name)

    reader = Watched()
    qtbot.addWidget(reader)
    markdown.render(reader.document(), f"see ![a cat](http://example.com/c.png) ![b]({picture})", theme.LIGHT)
    reader.show()
    reader.grab()
    assert "a cat" in reader.toPlainText() and "example.com" not in reader.toPlainText()
    assert "\N{OBJECT REPLACEMENT CHARACTER}" not in reader.toPlainText()
    assert reader.loadResource(2, QUrl("file:///etc/hostname")) is None
    assert not reader.openLinks() and not reader.openExternalLinks()


def test_lines_stay_as_written(qapp):
    assert shown("one\ntwo\n\nthree").toPlainText().replace("\u2028", "\n").split("\n") == ["one", "two", "three"]


def test_list_items_keep_their_number(qapp):
    document = shown("- first\n  goes on\n- second")
    assert document.begin().textList().count() == 2


def test_code_keeps_its_lines_and_backslashes(qapp):
    document = shown("```python\nx = '\\\\('\n\ny = 2\n```\nafter `\\(`")
    assert document.toPlainText().split("\n")[-4:] == ["x = '\\\\('", "", "y = 2", "after \\("]


def test_formulas_keep_their_backslashes(qapp):
    assert shown(r"so \(x_1\) and \[a\\b\]").toPlainText() == r"so \(x_1\) and \[a\\b\]"


def test_tables_are_tables(qapp):
    document = shown("| a | b |\n|---|---|\n| 1 | 2 |")
    (table,) = [frame for frame in document.rootFrame().childFrames() if isinstance(frame, QTextTable)]
    assert (table.rows(), table.columns()) == (2, 2)


def test_each_paragraph_runs_in_its_own_direction(qapp):
    document = shown("hello there\n\nمرحبا بك")
    first = document.begin()
    assert first.textDirection() == Qt.LayoutDirection.LeftToRight
    assert document.lastBlock().textDirection() == Qt.LayoutDirection.RightToLeft


def test_word_differences():
    runs = word_diff.differing("the red cat sat", "the blue cat sat down")
    assert "".join(text for text, _ in runs) == "the red cat sat"
    assert [text for text, differs in runs if differs] == ["red"]
    assert [t for t, d in word_diff.differing("the blue cat sat down", "the red cat sat") if d] == ["blue", " down"]
    assert word_diff.differing("same", "same") == [("same", False)]


def test_differences_are_marked_without_colour_too(qapp):
    document = QTextDocument()
    markdown.set_differences(document, [("a ", False), ("b", True)], theme.DARK)
    formats = []
    fragments = document.begin().begin()
    while not fragments.atEnd():
        fragment = fragments.fragment()
        formats.append((fragment.text(), fragment.charFormat().fontUnderline()))
        fragments += 1
    assert formats == [("a ", False), ("b", True)]
