"""The command line in a process of its own, for what `call` cannot show: signals, limits, how it ends."""

import os
import subprocess
import sys
from typing import Any


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A command with --json under way; `options` are subprocess.Popen's."""
    return subprocess.Popen(
        [sys.executable, "-m", "dpo_studio", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **options,
    )
