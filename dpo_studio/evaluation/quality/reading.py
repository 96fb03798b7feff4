"""How long a text takes to read, at a brisk pace: what is labelled faster was not read to its end.

Most adults read English non-fiction silently at 175 to 300 words a minute, 238 on average (Brysbaert 2019, "How many
words do we read per minute?", Journal of Memory and Language 109, 104047). Here the fast end of that counts, so that
nobody is called hasty who merely reads well. The same study finds that languages differ by how many words they need
for the same message; an English word takes about 1.7 Chinese characters, which makes 300 words some 500 characters.
"""

from __future__ import annotations

import re

WORDS_A_MINUTE = 300
#: Scripts that put no space between words: Chinese, Japanese and Korean characters.
CHARACTERS_A_MINUTE = 500

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_WORD = re.compile(r"\w+")


def seconds_to_read(text: str) -> float:
    """Seconds for a text: its words, and beside them its Chinese, Japanese and Korean characters one by one."""
    rest, characters = _CJK.subn(" ", text)
    return 60 * (len(_WORD.findall(rest)) / WORDS_A_MINUTE + characters / CHARACTERS_A_MINUTE)
