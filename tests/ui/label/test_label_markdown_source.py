"""Formulas and line breaks survive a Markdown reader; code is left alone."""

import pytest
from PySide6.QtGui import QTextDocument, QTextFormat

from dpo_studio.ui import theme
from dpo_studio.ui.label import markdown
from dpo_studio.ui.label.markdown_source import prepared


def shown(text):
    document = QTextDocument()
    markdown.render(document, text, theme.LIGHT)
    return document.toPlainText().replace("\u2028", "\n")


@pytest.mark.parametrize(
    "text",
    [
        r"so \(x_1\) and \[a\\b\]",
        "with $a_1 * b_2 * c_3$ and $x_{i}^{*}$ it holds",
        "$$\n\\sum_{i=1}^n x_i * y_i\n= \\frac{a}{b}\n+ c\n$$",
        "\\[\n- x_1 * y\n- x_2 * y\n1. z\n# w\n\\]",
        r"\begin{cases} a & b \\ c & d \end{cases}",
        r"a set \{1, 2\} and a \, b",
        "cut in the middle \\[ x_1",
        "it costs $5 and $10, or US$7",
    ],
)
def test_formulas_are_text(qapp, text):
    assert shown(text) == text


def test_between_two_sums_of_money_markdown_is_markdown(qapp):
    assert shown("from $5 to *about* $10") == "from $5 to about $10"
    assert shown("$5/*month*/$6") == "$5/month/$6"


def test_formulas_in_tables_do_not_end_a_cell(qapp):
    document = QTextDocument()
    markdown.render(document, "| f | g |\n|---|---|\n| $|x|$ | $y_1 * z_1 * w$ |", theme.LIGHT)
    assert [line for line in document.toPlainText().split("\n") if line] == ["f", "g", "$|x|$", "$y_1 * z_1 * w$"]


def test_code_is_left_alone(qapp):
    for code in ("`$a_1$ \\( *b*`", "```\n$a_1 * b$ \\(\n```", "    x = '\\('  # indented"):
        assert prepared(code) == code
    assert prepared("text\n\n    code\n      \\( more") == "text\n\n    code\n      \\( more"


def test_lines_of_a_paragraph_stay_apart_also_in_windows_files(qapp):
    assert shown("one\r\ntwo\rthree") == "one\ntwo\nthree"


def test_a_formula_in_a_quotation_stays_in_it(qapp):
    document = QTextDocument()
    markdown.render(document, "> so\n> \\[ x_1\n> y_1 \\]\n> holds", theme.LIGHT)
    assert document.toPlainText().replace("\u2028", "\n") == "so\n\\[ x_1\ny_1 \\]\nholds"
    levels, block = [], document.begin()
    while block.isValid():
        levels.append(block.blockFormat().intProperty(QTextFormat.Property.BlockQuoteLevel))
        block = block.next()
    assert levels == [1] * 4


@pytest.mark.parametrize("piece", ["\\[", "$a ", "`", "$", "`` ` ", "$$", "\\("])
def test_no_text_takes_long_to_prepare(piece):
    """With a pattern that looks back and forth these would take minutes."""
    text = piece * 40_000
    assert len(prepared(text)) >= len(text)
