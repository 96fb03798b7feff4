"""What a document is given in place of what its text names: a picture, a style, a file."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QUrl
from PySide6.QtGui import QImage, QTextDocument


def nothing_read(kind: int) -> QImage | QByteArray:
    """Something empty of this kind, for a `loadResource`: where it gives nothing, Qt looks for the file itself.

    A file may be one of another machine, which would then be asked for it.
    """
    if kind == QTextDocument.ResourceType.ImageResource.value:
        return QImage(1, 1, QImage.Format.Format_ARGB32)
    return QByteArray(b" ")


class UnreadDocument(QTextDocument):
    """A document on no screen that reads nothing."""

    def loadResource(self, kind: int, _name: QUrl) -> object:
        return nothing_read(kind)
