"""What a model wrote is shown as text and never acted upon."""

import gc

import pytest
from PySide6.QtCore import QSize, Qt, QUrl
from PySide6.QtGui import QImage, QTextCursor, QTextDocument, QTextFrame, QTextTable

from dpo_studio.ui import theme
from dpo_studio.ui.label import answer_text, markdown, tables, word_diff
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
    assert QImage(40, 40, QImage.Format.Format_RGB32).save(str(picture))
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
    for name in (QUrl.fromLocalFile(str(picture)), QUrl("file:///etc/hostname"), QUrl("http://example.com/c.png")):
        loaded = reader.document().resource(QTextDocument.ResourceType.ImageResource.value, name)
        assert loaded.size() == QSize(1, 1), "where it is given nothing, Qt reads the file itself"
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


def test_a_document_that_is_written_anew_leaves_no_wrappers(qapp):
    """The cards of the Label page live as long as the window; each of their documents is written for every item."""

    def wrappers():
        gc.collect()
        return sum(isinstance(one, QTextFrame) for one in gc.get_objects())

    document = shown("first")
    before = wrappers()
    for number in range(20):
        markdown.render(document, f"```\ncode {number}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", theme.LIGHT)
        assert tables.has_table(document)
    assert wrappers() <= before + 1


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
    for _ in answer_text.write_differences(document, "a b", "a c", theme.DARK):
        pass
    formats = []
    fragments = document.begin().begin()
    while not fragments.atEnd():
        fragment = fragments.fragment()
        formats.append((fragment.text(), fragment.charFormat().fontUnderline()))
        fragments += 1
    assert formats == [("a ", False), ("b", True)]


def blocks_of(document):
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


def described(document):
    """Each block's text and what it is."""
    for block in blocks_of(document):
        listed = block.textList()
        yield (
            block.text().split("\u2028")[0],
            block.blockFormat().headingLevel(),
            markdown.is_code(block),
            (listed.format().style(), listed.format().start() + listed.itemNumber(block)) if listed else None,
            markdown.quote_depth(block),
            QTextCursor(block).currentTable() is not None,
        )


PARTS = (
    "# Head",
    "- a\n- b",
    "3. c\n4. d",
    "```py\nx = 1\ny = 2\n```",
    "> q",
    "| t | u |\n|---|---|\n| 1 | 2 |",
    "plain *text*",
)


@pytest.mark.parametrize("first", PARTS)
@pytest.mark.parametrize("second", PARTS)
def test_what_is_added_is_what_it_would_be_alone(qapp, first, second):
    document = shown(first)
    before, alone = list(described(document)), list(described(shown(second)))
    markdown.append(document, second, theme.LIGHT)
    after = list(described(document))
    assert after[: len(before)] == before
    alone = alone[1:] if second.startswith("|") else alone  # a table that begins a document has an empty line above
    assert after[len(before) :] == alone
    assert "\N{INVISIBLE SEPARATOR}" not in document.toPlainText()


def test_a_table_after_a_list_has_no_empty_line_in_its_first_cell(qapp):
    document = shown("- a\n\n| t | u |\n|---|---|\n| 1 | 2 |")
    assert [block.text() for block in blocks_of(document)] == ["a", "t", "u", "1", "2", ""]


def test_a_table_in_arabic_runs_from_the_right(qapp):
    document = shown("| الاسم | العدد |\n|---|---|\n| تفاح | 3 |")
    (table,) = [frame for frame in document.rootFrame().childFrames() if isinstance(frame, QTextTable)]
    assert table.format().layoutDirection() == Qt.LayoutDirection.RightToLeft


def test_code_runs_from_the_left_whatever_is_in_it(qapp):
    document = shown("```\n# تعليق\n```")
    assert document.begin().textDirection() == Qt.LayoutDirection.LeftToRight


def test_a_wide_table_scrolls_sideways_and_keeps_its_words_whole(qtbot):
    row = "| " + " | ".join(f"parameter{number}" for number in range(9)) + " |"
    reader = Reader()
    qtbot.addWidget(reader)
    reader.resize(240, 200)
    markdown.render(reader.document(), f"{row}\n{'|---' * 9}|\n{row}", theme.LIGHT)
    reader.allow_wide(tables.has_table(reader.document()))
    reader.show()
    assert reader.horizontalScrollBar().maximum() > 300
    assert reader.height_for(240) < 140, "two rows of one line each, and the bar"


def test_a_long_column_is_not_squeezed_by_short_ones(qtbot):
    document = shown(f"| name | size | notes |\n|---|---|---|\n| {'x' * 30} | {'1' * 30} | {'many words ' * 9} |")
    document.setTextWidth(260)
    notes = next(block for block in blocks_of(document) if block.text().startswith("many"))
    assert notes.layout().lineCount() <= 4


@pytest.mark.parametrize("piece", ["[", "*a ", "> ", "- ", "|", "`", "<a ", "![x](", "&", "# ", "\\[", "**", "_a"])
def test_no_text_takes_long_to_show(qtbot, piece):
    """What a model repeats without end: the first piece is there at once, and the rest in small steps."""
    reader = Reader()
    qtbot.addWidget(reader)
    work = answer_text.write(reader.document(), piece * 30_000, theme.LIGHT)
    for _ in range(3):
        next(work, None)
    reader.resize(300, 300)
    reader.show()
    reader.grab()
    assert reader.toPlainText().strip()
