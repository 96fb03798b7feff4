"""Set up and run every check: `python3 packaging/test.py [PYTEST ARGUMENTS]`."""

import python_version

python_version.require()

import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import environment  # noqa: E402
from console import Console, SetupError  # noqa: E402


def main(pytest_arguments: list[str]) -> int:
    """Set up, then style, types and tests; the exit status is the worst of them."""
    console = Console()
    try:
        python = str(environment.prepare(console, tests=True))
    except SetupError as error:
        console.say(f"\n{error}")
        return 2
    checks = {
        "style": [python, "-m", "ruff", "check", "."],
        "layout of the code": [python, "-m", "ruff", "format", "--check", "."],
        "types": [python, "-m", "mypy"],
        "tests": [python, "-m", "pytest", "--durations=15", *pytest_arguments],
    }
    results = []
    for name, command in checks.items():
        console.say(f"\n== {name}: {' '.join(['python', *command[1:]])}")
        began = time.monotonic()
        status = subprocess.call(command, cwd=environment.ROOT, env=test_environment())
        results.append((name, status, time.monotonic() - began))
    console.say("")
    for name, status, seconds in results:
        console.say(f"{'✓' if status == 0 else '✗'} {name} ({seconds:.0f} s)")
    return max(abs(status) for _, status, _ in results)


def test_environment() -> dict[str, str]:
    """No screen and no network unless the person says otherwise."""
    environment_ = dict(os.environ)
    environment_.setdefault("QT_QPA_PLATFORM", "offscreen")
    environment_.setdefault("HF_HUB_OFFLINE", "1")
    environment_.setdefault("PYTHONUTF8", "1")
    # Spinning threads of one process would steal the cores of the next.
    environment_.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return environment_


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
