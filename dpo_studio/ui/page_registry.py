"""The pages of the rail, in the order of the loop. They are imported when the first project opens."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .context import Context
from .page import Page


@dataclass(frozen=True, slots=True)
class PageSource:
    """Where a page's class is."""

    module: str
    cls: str


PAGES: tuple[PageSource, ...] = (
    PageSource("dpo_studio.ui.prompts.page", "PromptsPage"),
    PageSource("dpo_studio.ui.generate.page", "GeneratePage"),
    PageSource("dpo_studio.ui.label.page", "LabelPage"),
    PageSource("dpo_studio.ui.quality.page", "QualityPage"),
    PageSource("dpo_studio.ui.train.page", "TrainPage"),
    PageSource("dpo_studio.ui.exchange.page", "ExportPage"),
)


def make_pages(
    context: Context, sources: Sequence[PageSource] = PAGES, *, on_failure: Callable[[Exception], None]
) -> list[Page]:
    """The pages that can be made. One that does not exist is left out; one that fails is told and left out."""
    pages = []
    for source in sources:
        try:
            page_class = getattr(importlib.import_module(source.module), source.cls)
            pages.append(page_class(context))
        except ModuleNotFoundError as error:
            if error.name != source.module:
                on_failure(error)
        except Exception as error:  # a broken page must not take the window with it
            on_failure(error)
    return pages
