"""How long a text takes to read, at a brisk pace: what is labelled faster was not read to its end.

Most adults read English non-fiction silently at 175 to 300 words a minute, 238 on average (Brysbaert 2019, "How many
words do we read per minute?", Journal of Memory and Language 109, 104047). Here the fast end of that counts, so that
nobody is called hasty who merely reads well. The same study finds that languages differ by how many words they need
for the same message; an English word takes about 1.7 Chinese characters, which makes 300 words some 500 characters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .letters import CJK, WORD, Letters

WORDS_A_MINUTE = 300
#: Scripts that put no space between words: Chinese, Japanese and Korean characters.
CHARACTERS_A_MINUTE = 500


def seconds_to_read(text: str) -> float:
    """Seconds for a text: its words, and beside them its Chinese, Japanese and Korean characters one by one."""
    return float(seconds(Letters([text]))[0])


def seconds(letters: Letters) -> NDArray[np.float64]:
    """The same for many texts (n,)."""
    characters = (letters.kinds & CJK) != 0
    inside = ((letters.kinds & WORD) != 0) & ~characters
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    return 60 * (letters.count(begins) / WORDS_A_MINUTE + letters.count(characters) / CHARACTERS_A_MINUTE)
