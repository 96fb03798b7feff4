"""Stop strings as they are typed: what is meant, and that what is shown for a text means that text again."""

from __future__ import annotations

import itertools

import pytest

from dpo_studio.core.stop_texts import from_lines, from_typed, to_lines, to_typed


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r"\n\n", "\n\n"),
        (r"a\tb", "a\tb"),
        (r"\\n", r"\n"),
        (r"\alpha", r"\alpha"),
        (" User: ", " User: "),
        ("\\", "\\"),
    ],
)
def test_what_is_meant(typed: str, meant: str) -> None:
    assert from_typed(typed) == meant


def test_every_text_can_be_typed() -> None:
    for length in range(6):
        for characters in itertools.product("\\nt\n\ta", repeat=length):
            text = "".join(characters)
            assert from_typed(to_typed(text)) == text
            assert "\n" not in to_typed(text)


def test_one_a_line() -> None:
    assert from_lines("###\n\n\\n\\n\n###\n") == ("###", "\n\n")
    assert from_lines(to_lines(("a\nb", "c\\nd"))) == ("a\nb", "c\\nd")
    assert from_lines("") == ()
