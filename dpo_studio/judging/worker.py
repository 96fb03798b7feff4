"""The judge's process: commands on stdin, events on a stdout of their own. It ends when stdin does."""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback

from dpo_studio.core import events, judges
from dpo_studio.generation.worker import GRACE_S, speaker

from .service import Judging


def main() -> int:
    """Serve JudgeGroups commands until stdin ends; returns the exit status."""
    say = speaker()
    ended = threading.Event()
    waiting: queue.SimpleQueue[judges.JudgeGroups | None] = queue.SimpleQueue()

    def read() -> None:
        with os.fdopen(os.dup(0), "r", encoding="utf-8", errors="replace") as stdin:
            for line in stdin:
                if line.strip():
                    hear(line)
        ended.set()
        waiting.put(None)
        timer = threading.Timer(GRACE_S, os._exit, [0])
        timer.daemon = True
        timer.start()

    def hear(line: str) -> None:
        try:
            waiting.put(judges.from_line(line))
        except Exception:  # whoever sends this is told, and the end of stdin is still noticed
            say(events.Failed("The judge's process did not understand a command.", "", traceback.format_exc()))

    threading.Thread(target=read, name="read commands", daemon=True).start()
    judging = Judging()
    try:
        while (command := waiting.get()) is not None and not ended.is_set():
            for event in judging.run(command, ended.is_set):
                say(event)
    except Exception:
        print(traceback.format_exc(), file=sys.stderr)
        return 1
    return 0
