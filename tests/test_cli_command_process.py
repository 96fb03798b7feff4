"""The command line as a child process of the window: answers, mistakes, bugs, an end before its time."""

from __future__ import annotations

import sys
import threading

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.jobs.command import CommandProcess
from dpo_studio.store import Project


def test_it_returns_what_the_command_answered(tmp_path):
    answer = CommandProcess(["new", "--", str(tmp_path / "a b ç")]).run()
    assert answer["project"] == str(tmp_path / "a b ç")
    Project.open(tmp_path / "a b ç").close()


def test_a_mistake_is_the_sentence_with_its_hint(tmp_path):
    with pytest.raises(UserError) as caught:
        CommandProcess(["export", "--as", "ranking", "--preview", "--", str(tmp_path)]).run()
    assert "is not a DPO Studio project" in caught.value.message and "make a new project" in caught.value.hint


def test_a_bug_holds_the_traceback(tmp_path):
    broken = CommandProcess(["doctor"], interpreter=_interpreter(tmp_path, "raise SystemExit('boom')"))
    with pytest.raises(RuntimeError, match="boom"):
        broken.run()


def test_stopping_ends_it(tmp_path):
    process = CommandProcess(["doctor"], interpreter=_interpreter(tmp_path, "import time; time.sleep(60)"))
    threading.Timer(0.3, process.stop).start()
    with pytest.raises(UserError, match="stopped"):
        process.run()


def test_stopped_before_it_began_it_never_starts(tmp_path):
    process = CommandProcess(["new", "--", str(tmp_path / "p")])
    process.stop()
    with pytest.raises(UserError, match="stopped"):
        process.run()
    assert not (tmp_path / "p").exists()


def test_a_killed_command_says_so(tmp_path):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(UserError, match="killed"):
        CommandProcess(["doctor"], interpreter=_interpreter(tmp_path, kill)).run()


def test_what_it_says_underway_is_heard_in_order(tmp_path):
    say = "print('{\"progress\": 0.5}', '{\"part\": 1}', '{\"answer\": 2}', sep='\\n')"
    heard = []
    assert CommandProcess(["x"], interpreter=_interpreter(tmp_path, say), heard=heard.append).run() == {"answer": 2}
    assert heard == [{"progress": 0.5}, {"part": 1}]


def test_much_on_both_streams_blocks_nothing(tmp_path):
    say = "import sys; sys.stderr.write('x' * 10**6); print('{}' + chr(10) + '{\"a\": \"' + 'y' * 10**6 + '\"}')"
    assert len(CommandProcess(["x"], interpreter=_interpreter(tmp_path, say)).run()["a"]) == 10**6


def _interpreter(folder, code):
    """An executable that takes any arguments and runs the code in place of the app."""
    script = folder / "interpreter"
    script.write_text(f"#!{sys.executable}\n{code}\n")
    script.chmod(0o755)
    return str(script)
