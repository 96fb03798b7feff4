"""Pictures of the Label page with answers of every kind, to be looked at: `python -m tests.screenshots FOLDER`.

Each picture is one item: short, very long, code, tables, formulas, Arabic, Chinese, emoji, thinking, HTML, two to nine
answers; in the light and the dark look, at two sizes of window, at 100 % and 200 %. A second process is started for
each scale, because Qt takes it only at the start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = ((1100, 700), (1400, 900))
LOOKS = ("light", "dark")

SHORT = ("Yes.", "No, because the bridge is closed on Sundays.", "Perhaps.", "")
LONG = "\n\n".join(
    f"{number}. Paragraph {number} goes on about the bridge, who built it, what it cost, and why the people of the"
    f" town still speak of the winter in which it was finished before the ice came. See **chapter {number}**."
    for number in range(1, 160)
)
CODE = (
    "Use a dictionary:\n\n```python\nfrom collections import Counter\n\n\ndef most_common(words: list[str]) -> str:\n"
    '    """The word that comes most often."""\n    # ties: the first one wins\n    counts = Counter(words)\n'
    "    return max(words, key=counts.get) if words else None  # a line that is rather long for a narrow card\n```\n\n"
    "Then call `most_common(['a', 'b', 'a'])`.\n\n- it is *linear*\n- it needs no import but:\n\n"
    "  ```sh\n  pip install nothing\n  ```\n\n> Premature optimisation is the root of all evil.\n>\n> > Said somebody."
)
RUST = (
    '```rust\nfn main() {\n    let x: u32 = 7; // seven\n    println!("{}", x);\n}\n```\n\nor\n\n```\nplain block\n```'
)
TABLE = (
    "## Comparison\n\n| model | parameters | licence | accuracy | notes |\n|---|--:|:-:|---|---|\n"
    "| SmolLM2-135M-Instruct | 135,000,000 | Apache-2.0 | 41.3 % | runs everywhere, even on two cores |\n"
    "| Qwen3-0.6B | 600,000,000 | Apache-2.0 | 52.9 % | thinks |\n\nThe *second* is better, but slower."
)
FORMULA = (
    "The solutions of $a_1 x^2 + b_1 x + c_1 = 0$ are\n\n"
    "\\[\nx_{1,2} = \\frac{-b_1 \\pm \\sqrt{b_1^2 - 4 a_1 c_1}}{2 a_1}\n\\]"
    "\n\nand $$\\sum_{i=1}^{n} x_i * y_i$$ costs between $5 and $10."
)
ARABIC = (
    "# مرحبا بالعالم\n\nهذه إجابة **قصيرة** باللغة العربية، وفيها كلمة English في الوسط.\n\n1. أولا\n2. ثانيا\n\n"
    "```python\n# تعليق\nprint('مرحبا')\n```\n\nAnd a paragraph in English.\n\n"
    "| الاسم | العدد |\n|---|---|\n| تفاح | 3 |"
)
HEBREW = "שלום עולם! זאת תשובה קצרה.\n\n- אחד\n- שניים"
CHINESE = (
    "# 你好,世界\n\n这座桥建于一八六四年。**它很长**,但是不宽。\n\n"
    "- 第一\n- 第二\n\n日本語もあります。한국어도 있습니다."
)
EMOJI = "Great idea! 🎉🚀\n\nSteps: 1️⃣ plan 👩‍👩‍👧 2️⃣ build 🏗️ 3️⃣ rest 😴\n\n👍🏽 ❤️ 🇫🇷"
THINKING = (
    "<think>\nThe person asks for four words. Let me count: one, two, three, four.\n\nYes.\n</think>\n\n"
    "Here are *four* words."
)
CUT = "<think>\nHmm, the person wants a poem about"
HTML = (
    "<script>alert('hi')</script>\n\n<b>not bold</b> <img src=x onerror=alert(1)> and "
    "[a link](https://example.com/a?b=c) and ![a picture](https://example.com/p.png)\n\n"
    "<table><tr><td>cell</td></tr></table>"
)
WORD = (
    "A very long word: "
    + "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 4
    + "\n\n"
    + "a" * 700
)
MIDDLE = "\n\n".join(
    f"Point {n}: the bridge is long, and so is this answer to the question about it." for n in range(1, 9)
)

ITEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "short": ("Is the bridge open?", SHORT),
    "pair": ("Is the bridge open?", SHORT[:2]),
    "long": ("Tell me all about the bridge.\n\n" + "With every detail, please. " * 60, (LONG, SHORT[1], LONG, MIDDLE)),
    "code": ("How do I find the word that comes most often?", (CODE, RUST, CODE, SHORT[1])),
    "table": ("Compare the two models.", (TABLE, TABLE, FORMULA, HTML)),
    "arabic": ("قل مرحبا من فضلك", (ARABIC, HEBREW, ARABIC, SHORT[0])),
    "chinese-emoji": ("说你好 👋", (CHINESE, EMOJI, WORD)),
    "thinking": ("Write four words.", (THINKING, CUT, THINKING, SHORT[0])),
    "five": ("Is the bridge open?", (MIDDLE, *SHORT[:3], CODE)),
    "six": ("Is the bridge open?", (MIDDLE, *SHORT[:3], CODE, TABLE)),
    "seven": ("Is the bridge open?", (MIDDLE, *SHORT[:3], CODE, TABLE, FORMULA)),
    "nine": ("Is the bridge open?", (MIDDLE, *SHORT[:3], CODE, TABLE, FORMULA, THINKING, LONG)),
}


def main() -> int:
    """Make the pictures; the exit status is 0 when all were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=int, help="only this scale, in percent, in this process")
    parser.add_argument("--only", nargs="*", default=list(ITEMS), choices=list(ITEMS))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.scale is not None:
        return take(asked.folder, asked.scale, asked.only)
    for scale in (100, 200):
        subprocess.run(
            [sys.executable, "-m", "tests.screenshots", asked.folder, "--scale", str(scale), "--only", *asked.only],
            check=True,
            env={**os.environ, "QT_SCALE_FACTOR": str(scale / 100)},
        )
    return 0


def take(folder: Path, scale: int, names: list[str]) -> int:
    """Take the pictures of these items in this process."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from dpo_studio.ui import theme
    from dpo_studio.ui.app import make_application

    app = make_application()
    failed = 0
    for name in names:
        for look in LOOKS:
            theme.apply(app, look, scale=1.0)
            for size in SIZES if scale == 100 else SIZES[:1]:
                with tempfile.TemporaryDirectory() as temporary:
                    os.environ["DPO_STUDIO_SETTINGS"] = str(Path(temporary) / "settings.ini")
                    path = folder / f"{name}-{look}-{size[0]}x{size[1]}-{scale}.png"
                    failed += not _picture(app, Path(temporary) / "p", name, size).save(str(path))
    return 1 if failed else 0


def _picture(app, folder: Path, name: str, size: tuple[int, int]):
    from dpo_studio.core.types import Message
    from dpo_studio.store import Project, completions, prompts
    from dpo_studio.ui.context import Context
    from dpo_studio.ui.label.page import LabelPage

    prompt, answers = ITEMS[name]
    context = Context()
    context.open(Project.create(folder))
    group = completions.add_group(
        context.project, prompts.add(context.project, [Message("user", prompt)]).id, size=len(answers)
    )
    for number, text in enumerate(answers):
        completions.add(context.project, group.id, text, finish_reason="length" if number == 1 else "stop")
    page = LabelPage(context)
    page.ensure_built()
    page.resize(*size)
    page.show()
    grid = page.bench.stack.view.grid
    if name == "thinking":
        next(card for card in grid.shown_cards if card.completion.text == THINKING).fold.click()
    if name == "five":
        page.run("differences")
        page.run("lengths")
    end = time.monotonic() + 10
    while grid.slices.busy and time.monotonic() < end:
        app.processEvents()
    app.processEvents()
    picture = page.grab()
    page.leave()
    context.open(None)
    page.deleteLater()
    return picture


if __name__ == "__main__":
    sys.exit(main())
