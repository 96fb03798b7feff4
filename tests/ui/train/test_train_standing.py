"""How a run stands, from the two ends of its events."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpo_studio.core import events
from dpo_studio.jobs import training
from dpo_studio.ui.train import standing

STARTED = events.RunStarted(30, 4, 1, "cpu", "float32", 1000, 10)
DONE = events.RunDone("finished", 30, 12.5, "adapter")


def say(folder: Path, *said: events.Event) -> None:
    (folder / training.LOG_FILE).touch()
    with (folder / training.EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.writelines(events.to_line(event) for event in said)


def test_a_run_that_ends_while_it_is_looked_at_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(tmp_path, STARTED)

    def ends_now(folder: Path) -> bool:
        say(folder, DONE)
        return False

    monkeypatch.setattr(training, "is_alive", ends_now)
    found = standing.of(tmp_path)
    assert (found.outcome.state, found.done, found.parameters) == ("finished", DONE, 1000)


def test_line_separators_inside_a_sentence_end_no_line(tmp_path: Path) -> None:
    say(tmp_path, STARTED, events.Failed("The disk\u2028is\x85full.", "Free\x1csome."))
    assert standing.of(tmp_path).outcome.reason == "The disk\u2028is\x85full. Free\x1csome."


def test_the_ends_of_a_long_run_are_enough(tmp_path: Path) -> None:
    steps = [events.StepDone(step, 0.1, {"loss": 0.5}) for step in range(3000)]
    say(tmp_path, STARTED, *steps, DONE)
    assert (tmp_path / training.EVENTS_FILE).stat().st_size > 3 * standing.TAIL_BYTES
    found = standing.of(tmp_path)
    assert (found.outcome.state, found.done, found.parameters) == ("finished", DONE, 1000)
