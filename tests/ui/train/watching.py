"""What a Train page tells the window, and what its curves show."""

from __future__ import annotations

from dpo_studio.ui.context import Context
from dpo_studio.ui.train.page import TrainPage


class Said:
    """What the page told the window."""

    def __init__(self, context: Context) -> None:
        self.messages: list[tuple[str, str]] = []
        self.pages: list[str] = []
        self.policies_changed = 0
        context.message.connect(lambda text, level: self.messages.append((level, text)))
        context.page_wanted.connect(self.pages.append)
        context.policies_changed.connect(self._count)

    def _count(self) -> None:
        self.policies_changed += 1


def shown_points(page: TrainPage, key: str, metric: str, source: str) -> tuple[list[float], list[float]]:
    page.view.curves._repaint()
    card = page.view.curves.cards[key]
    line = next(line for line in card.spec.lines if (line.metric, line.source) == (metric, source))
    x, y = card._lines[line].getOriginalDataset()
    return ([], []) if x is None else (list(x), list(y))
