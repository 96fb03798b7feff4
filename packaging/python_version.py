"""Python 3.11 or newer, or a sentence: the only file here that older Pythons must be able to run."""

import os
import shutil
import subprocess
import sys

WANTED = (3, 11)
NEWER_NAMES = ("python3.13", "python3.12", "python3.11", "python3.14")


def require():
    """Go on with a new enough Python: this one, or another one on the PATH; else end with a sentence."""
    if sys.version_info[:2] >= WANTED:
        return
    for name in NEWER_NAMES:
        path = shutil.which(name)
        if path:
            sys.exit(subprocess.call([path] + sys.argv))
    name = os.path.relpath(sys.argv[0])
    sys.stderr.write(
        f"DPO Studio needs Python 3.11 or newer, and this is Python {sys.version_info[0]}.{sys.version_info[1]}.\n"
        "Install a newer one (https://www.python.org/downloads, or your system's packages, for example\n"
        f"`apt install python3.11 python3.11-venv`) and start again with it: python3.11 {name}\n"
    )
    sys.exit(2)
