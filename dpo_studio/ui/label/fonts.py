"""Whether this machine has letters for what an answer is written in, and which package brings them where it has not."""

from __future__ import annotations

import re
from functools import cache

from PySide6.QtGui import QFontDatabase

_SYSTEM = QFontDatabase.WritingSystem
#: What is looked for, the writing systems any of which would show it, and the package of Debian and Ubuntu.
_SCRIPTS = (
    (
        "Chinese",
        re.compile("[\u4e00-\u9fff]"),
        (_SYSTEM.SimplifiedChinese, _SYSTEM.TraditionalChinese, _SYSTEM.Japanese),
    ),
    ("Japanese", re.compile("[\u3040-\u30ff]"), (_SYSTEM.Japanese,)),
    ("Korean", re.compile("[\uac00-\ud7af]"), (_SYSTEM.Korean,)),
    ("Arabic", re.compile("[\u0620-\u06ff]"), (_SYSTEM.Arabic,)),
    ("Hebrew", re.compile("[\u05d0-\u05ea]"), (_SYSTEM.Hebrew,)),
    ("Devanagari", re.compile("[\u0900-\u097f]"), (_SYSTEM.Devanagari,)),
    ("Thai", re.compile("[\u0e01-\u0e5b]"), (_SYSTEM.Thai,)),
)
_EMOJI = re.compile("[\U0001f300-\U0001faff]")
_EMOJI_FAMILIES = ("Noto Color Emoji", "Apple Color Emoji", "Segoe UI Emoji", "Twemoji", "Noto Emoji", "EmojiOne")
_PACKAGES = {"Chinese": "fonts-noto-cjk", "Japanese": "fonts-noto-cjk", "Korean": "fonts-noto-cjk"}
_EMOJI_PACKAGE, _OTHER_PACKAGE = "fonts-noto-color-emoji", "fonts-noto-core"


def missing(text: str) -> list[tuple[str, str]]:
    """What a text holds that no font here can show: (name of the script, package that has it)."""
    found = []
    for name, letters, _systems in _SCRIPTS:
        if letters.search(text) and name in _unseen():
            found.append((name, _PACKAGES.get(name, _OTHER_PACKAGE)))
    if _EMOJI.search(text) and "emoji" in _unseen():
        found.append(("emoji", _EMOJI_PACKAGE))
    return found


@cache
def _unseen() -> frozenset[str]:
    """The scripts that no font of this machine has; fonts that are installed later count at the next start."""
    names = {name for name, _, systems in _SCRIPTS if not any(QFontDatabase.families(system) for system in systems)}
    if not set(_EMOJI_FAMILIES) & set(QFontDatabase.families()):
        names.add("emoji")
    return frozenset(names)


def told(missed: list[tuple[str, str]]) -> str:
    """A sentence about what cannot be shown and what to install; "" where everything can."""
    if not missed:
        return ""
    names = " and ".join(name for name, _ in missed)
    packages = " ".join(dict.fromkeys(package for _, package in missed))
    return f"No font here shows {names}: boxes or blanks stand in its place. Install one (on Debian: {packages})."
