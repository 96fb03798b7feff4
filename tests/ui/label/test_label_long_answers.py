"""Long answers come in pieces, code is coloured beside the text, and neither changes what the answer says."""

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QTextEdit

from dpo_studio.ui import theme
from dpo_studio.ui.label import answer_text, highlighting, markdown, word_diff
from dpo_studio.ui.label.markdown_source import chunks
from dpo_studio.ui.label.slices import Slices
from tests.ui.contrast import contrast

LONG_CODE = "\n".join(f"def function_{number}(x):\n    return x + {number}  # more" for number in range(2_500))


def written(text, colours=theme.LIGHT):
    """The document, and how many steps it took."""
    document = QTextDocument()
    return document, sum(1 for _ in answer_text.write(document, text, colours))


def coloured(block):
    """The colour of each stretch of a line that has one."""
    return {
        block.text()[r.start : r.start + r.length]: r.format.foreground().color().name()
        for r in block.layout().formats()
    }


def test_pieces_joined_are_the_text():
    text = "\n\n".join(f"Paragraph {number}." for number in range(300))
    pieces = list(chunks(text, lines=20, characters=10_000))
    assert len(pieces) > 10
    assert "\n".join(pieces) == text
    assert all(piece.startswith("Paragraph") for piece in pieces), "none begins in the middle of anything"


def test_code_that_is_cut_is_fenced_in_each_piece():
    body = [f"x = {number}" for number in range(50)]
    pieces = list(chunks("~~~~py\n" + "\n".join(body) + "\n~~~~\nend", lines=20, characters=10_000))
    assert [piece.split("\n")[0] for piece in pieces] == ["~~~~py"] * len(pieces) and len(pieces) > 2
    inside = [line for piece in pieces for line in piece.split("\n") if line.startswith("x")]
    assert inside == body
    assert all(piece.split("\n").count("~~~~") == 1 for piece in pieces)


def test_tables_that_are_cut_have_their_head_in_each_piece():
    rows = [f"| {number} | b |" for number in range(60)]
    pieces = list(chunks("\n".join(["intro", "", "| n | t |", "|--:|---|", *rows]), lines=30, characters=10_000))
    assert len(pieces) > 3
    assert all("| n | t |\n|--:|---|\n| " in piece for piece in pieces)
    assert [line for piece in pieces for line in piece.split("\n") if line.endswith("| b |")] == rows


def test_a_list_is_cut_between_its_items():
    text = "\n".join(f"{number}. item\n   goes on" for number in range(1, 40))
    for piece in chunks(text, lines=10, characters=10_000):
        assert piece.split("\n")[0].endswith(". item")


def test_a_line_without_end_is_cut():
    pieces = list(chunks("a" * 25_000, lines=60, characters=6_000))
    assert [len(piece) for piece in pieces] == [6_000, 6_000, 6_000, 6_000, 1_000]


def test_a_long_answer_is_whole_in_the_end(qapp):
    document, steps = written(f"Before.\n\n```python\n{LONG_CODE}\n```\n\n1. after")
    assert steps > 50
    assert document.toPlainText() == f"Before.\n{LONG_CODE}\nafter"
    code = [block for block in _blocks(document) if markdown.is_code(block)]
    assert [b.blockFormat().topMargin() > 0 for b in code] == [True] + [False] * (len(code) - 1), "one ground, no gaps"
    assert [b.blockFormat().bottomMargin() > 0 for b in code] == [False] * (len(code) - 1) + [True]
    assert coloured(code[-1])["return"] == theme.LIGHT.accent


def _blocks(document):
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_code_has_the_colours_of_the_look(qapp, colours):
    document, _ = written('```python\nif x:\n    return "a"  # why\n```', colours)
    first, second = _blocks(document)
    assert coloured(first) == {"if": colours.accent}
    assert coloured(second) == {"return": colours.accent, '"': colours.good, "a": colours.good, "# why": colours.muted}
    assert document.toPlainText() == 'if x:\n    return "a"  # why'


def test_a_text_over_several_lines_is_coloured_on_each(qapp):
    document, _ = written('```python\nx = """one\ntwo\n"""\n```')
    _, second, third = _blocks(document)
    assert coloured(second) == {"two": theme.LIGHT.good} and coloured(third) == {'"""': theme.LIGHT.good}


@pytest.mark.parametrize("fence", ["", "nosuchlanguage", "{}", "."])
def test_code_in_no_known_language_stays_plain(qapp, fence):
    document, _ = written(f"```{fence}\nif x: return\n```")
    assert coloured(document.begin()) == {}


def test_lines_that_no_person_wrote_stay_plain(qapp):
    document, _ = written("```python\n" + "if x " * 1_000 + "\n```")
    assert coloured(document.begin()) == {}


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK])
def test_every_colour_can_be_read_on_the_ground_of_code(colours):
    """WCAG's contrast for text: at least 4.5 to 1."""
    for kind, colour in highlighting.palette(colours).items():
        assert contrast(colour, colours.hover) >= 4.5, (kind, colour)


def test_slices_let_the_window_live(qtbot):
    done, between = [], []
    slices = Slices()

    def work():
        for number in range(5):
            done.append(number)
            yield

    timer = QTimer(interval=0)
    timer.timeout.connect(lambda: between.append(len(done)))
    timer.start()
    slices.start("a", work())
    assert done == [0], "the first slice is done at once"
    qtbot.waitUntil(lambda: not slices.busy, timeout=60_000)
    assert done == [0, 1, 2, 3, 4]
    assert set(between) & {1, 2, 3, 4}, "other events came between the slices"


def test_work_on_something_else_takes_the_place_of_what_was_going_on():
    done = []
    slices = Slices()
    slices.start("card", (done.append(("old", n)) for n in range(9)))
    slices.start("card", (done.append(("new", n)) for n in range(2)))
    slices.finish()
    assert done == [("old", 0), ("new", 0), ("new", 1)]


def test_differences_of_long_texts_are_found_by_lines_then_words():
    text = "".join(f"line {number} is the same\n" for number in range(2_000))
    other = text.replace("line 700 is the", "line 700 was the")
    runs = word_diff.differing(text, other)
    assert "".join(words for words, _ in runs) == text
    assert [words for words, differs in runs if differs] == ["is"]


def test_differences_of_long_texts_with_nothing_in_order_are_words_the_other_lacks():
    mine = " ".join(f"a{number}" for number in range(8_000)) + " mine"
    other = " ".join(f"a{number}" for number in reversed(range(8_000)))
    assert [words for words, differs in word_diff.differing(mine, other) if differs] == ["mine"]


@pytest.mark.parametrize(
    ("text", "other", "differ"),
    [
        ("هذا بيت كبير", "هذا بيت صغير", ["كبير"]),
        ("كَتَبَ الولد", "كَتَبَ البنت", ["الولد"]),
        ("我喜欢红苹果", "我喜欢青苹果", ["红"]),
        ("the naïve cat", "the brave cat", ["naïve"]),
    ],
)
def test_differences_in_other_scripts(text, other, differ):
    runs = word_diff.differing(text, other)
    assert "".join(words for words, _ in runs) == text
    assert [words for words, differs in runs if differs] == differ


def test_differences_of_a_long_answer_are_written_in_steps(qtbot):
    view = QTextEdit()
    qtbot.addWidget(view)
    text = "\n".join(f"line {number}" for number in range(1_000))
    steps = sum(1 for _ in answer_text.write_differences(view.document(), text, text.replace("7", "8"), theme.DARK))
    assert steps > 3
    assert view.document().toPlainText() == text
