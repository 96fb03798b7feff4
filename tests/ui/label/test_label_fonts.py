"""A card says where this machine has no letters for an answer, and which package has them."""

import pytest
from PySide6.QtCore import QUrl

from dpo_studio.core.types import Completion, CompletionId, PromptId
from dpo_studio.ui.label import fonts
from dpo_studio.ui.label.answer_card import AnswerCard
from dpo_studio.ui.label.panels import LinkBanner
from dpo_studio.ui.label.slices import Slices


@pytest.fixture
def without(monkeypatch):
    """Pretend that no font has these scripts."""
    return lambda *names: monkeypatch.setattr(fonts, "_unseen", lambda: frozenset(names))


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("你好", "fonts-noto-cjk"),
        ("한국어", "fonts-noto-cjk"),
        ("हिन्दी", "fonts-noto-core"),
        ("🚀", "fonts-noto-color-emoji"),
    ],
)
def test_the_package_is_told(qapp, without, text, package):
    without("Chinese", "Korean", "Devanagari", "emoji")
    assert package in fonts.told(fonts.missing(text))


def test_nothing_is_told_where_everything_can_be_shown(qapp, without):
    without()
    assert fonts.told(fonts.missing("你好 🚀 שלום")) == ""
    without("Chinese")
    assert fonts.missing("Hello, and שלום") == []


def test_what_this_machine_has_is_asked_of_qt(qapp):
    assert fonts._unseen() <= {name for name, *_ in fonts._SCRIPTS} | {"emoji"}


def test_a_card_says_so(qtbot, without):
    without("Chinese", "emoji")
    card = AnswerCard(1, Slices())
    qtbot.addWidget(card)
    card.show()
    for text, told in (("你好 🚀", True), ("Hello", False)):
        card.set_answer(Completion(CompletionId(1), "u", PromptId(1), text))
        assert card._unseen.isVisible() is told
    assert card._unseen.toolTip() == ""


def test_a_link_shows_letters_that_look_like_others(qtbot):
    banner = LinkBanner()
    qtbot.addWidget(banner)
    banner.ask(QUrl("https://аpple.com/\u202egnp.exe"))  # its first letter is Cyrillic, and its end runs backwards
    assert "xn--" in banner._text.text() and "%E2%80%AE" in banner._text.text()
