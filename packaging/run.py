"""Set up DPO Studio and open its window: `python3 packaging/run.py [PROJECT] [--check]`."""

import python_version

python_version.require()

import argparse  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402

import environment  # noqa: E402
import system_packages  # noqa: E402
from console import Console, SetupError  # noqa: E402

CHECK_FOLDER = environment.ROOT / "build" / "check"
_CHECK = "import sys, pathlib; from dpo_studio.ui.app import check; sys.exit(check(pathlib.Path(sys.argv[1])))"


def main() -> int:
    """Set up, then open the window (or check it off-screen, or tour without one)."""
    parser = argparse.ArgumentParser(description="Set up DPO Studio and open its window.")
    parser.add_argument("project", nargs="?", help="a project folder to open")
    parser.add_argument(
        "--check", action="store_true", help="open the window off-screen, walk its pages, save a screenshot and end"
    )
    arguments = parser.parse_args()
    console = Console()
    window = not arguments.check and system_packages.has_display()
    try:
        python = str(environment.prepare(console, window=window))
    except SetupError as error:
        console.say(f"\n{error}")
        return 2
    if arguments.check:
        return check(console, python)
    if not window:
        console.say("There is no display here, so the loop is shown without a window (dpo-studio tour).")
        return subprocess.call([python, "-m", "dpo_studio", "tour"])
    return subprocess.call([python, "-m", "dpo_studio", *([arguments.project] if arguments.project else [])])


def check(console: Console, python: str) -> int:
    """Walk the window's pages off-screen; 0 and a screenshot prove that the installation works."""
    CHECK_FOLDER.mkdir(parents=True, exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in CHECK_FOLDER.glob("*.png")}
    status = subprocess.call(
        [python, "-c", _CHECK, str(CHECK_FOLDER)], env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    )
    if status:
        console.say(f"The window could not be checked (status {status}); what went wrong is above.")
        return 1
    pictures = sorted(p for p in CHECK_FOLDER.glob("*.png") if before.get(p) != p.stat().st_mtime_ns)
    if not pictures:
        console.say("The window left no screenshot, so this installation is not proven to work.")
        return 1
    console.say(f"The window works. Screenshot{'s' if len(pictures) > 1 else ''}: {', '.join(map(str, pictures))}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
