"""Text from elsewhere as a tool tip: shown as it is."""

from __future__ import annotations

from html import escape


def plain_tip(text: str) -> str:
    """A tool tip's text that reads as `text` does.

    Qt takes a text for HTML where its first line looks like it: then marks are missing, and a picture that it names is
    read from the disk, or from another machine's.
    """
    if "<" not in text and "&" not in text:
        return text
    return f'<p style="white-space: pre-wrap">{escape(text)}</p>'
