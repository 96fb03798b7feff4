"""How long a text takes to read, at a brisk pace: what is labelled faster was not read to its end."""

from __future__ import annotations

import re

WORDS_A_MINUTE = 300
#: Scripts that put no space between words: Chinese, Japanese and Korean characters.
CHARACTERS_A_MINUTE = 500

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def seconds_to_read(text: str) -> float:
    """Seconds for a text: its words, and beside them its Chinese, Japanese and Korean characters one by one."""
    rest, characters = _CJK.subn(" ", text)
    return 60 * (len(re.findall(r"\w+", rest)) / WORDS_A_MINUTE + characters / CHARACTERS_A_MINUTE)
