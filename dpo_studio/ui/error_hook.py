"""What nobody caught: a person's mistake becomes a sentence, a bug is shown once with its details."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

from dpo_studio.core.errors import UserError

log = logging.getLogger("dpo_studio.ui")
_qt_log = logging.getLogger("qt")

BUG_SENTENCE = "Something went wrong in DPO Studio itself ({summary}). Your labels are safe, and you can go on."
_QT_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


class ErrorHook(QObject):
    """Takes the place of sys.excepthook and threading.excepthook between `install` and `remove`.

    Signals:
        caught: (sentence, details); details is a traceback, or empty for a UserError.
    """

    caught = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._seen: set[str] = set()
        self._before: tuple[object, object] | None = None

    def install(self) -> None:
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self.handle
        threading.excepthook = lambda args: self.handle(
            args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
        )
        qInstallMessageHandler(_on_qt_message)

    def remove(self) -> None:
        if self._before is not None:
            sys.excepthook, threading.excepthook = self._before  # type: ignore[assignment]
            self._before = None
            qInstallMessageHandler(None)

    def handle(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Tell of an exception; the same traceback is told once."""
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            sys.__excepthook__(kind, error, trace)
            return
        if isinstance(error, UserError):
            self.caught.emit(str(error), "")
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        where = "".join(traceback.format_tb(trace)) + kind.__name__
        if where in self._seen:
            return
        self._seen.add(where)
        log.error("%s", details)
        summary = traceback.format_exception_only(kind, error)[-1].strip()
        self.caught.emit(BUG_SENTENCE.format(summary=summary[:200]), details)


def _on_qt_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    if "propagateSizeHints" not in text:  # the off-screen platform says it of every window
        _qt_log.log(_QT_LEVELS.get(kind, logging.WARNING), "%s", text)
