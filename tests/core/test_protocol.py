"""Events and commands survive the trip through a line of JSON."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message

TEXT = st.text()
BY_ANNOTATION = {
    "str": TEXT,
    "str | None": st.none() | TEXT,
    "bool": st.booleans(),
    "int": st.integers(-(2**63), 2**63),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "float | None": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "tuple[int, ...]": st.lists(st.integers(0, 300_000), max_size=5).map(tuple),
    "tuple[int, int]": st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    "Mapping[str, float | None]": st.dictionaries(TEXT, st.none() | st.floats(allow_nan=False, allow_infinity=False)),
}
ALL_EVENTS = list(events._EVENTS.values())


def made_of(cls):
    return st.builds(cls, **{field.name: BY_ANNOTATION[field.type] for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("cls", ALL_EVENTS, ids=lambda cls: cls.__name__)
def test_every_event_comes_back_equal(cls):
    @given(made_of(cls))
    def round_trip(event):
        line = events.to_line(event)
        assert line.endswith("\n") and line.count("\n") == 1
        assert events.from_line(line) == event

    round_trip()


def test_half_characters_can_be_written() -> None:
    line = events.to_line(events.TokensDecoded("job", 1, 0, "a\ud83d\ude00b\ud83dc"))
    assert events.from_line(line.encode().decode()) == events.TokensDecoded("job", 1, 0, "a😀b\ufffdc")


def test_numbers_that_are_not_finite_become_null():
    event = events.StepDone(1, math.inf, {"loss": math.nan, "margin": -math.inf, "accuracy": 0.5})
    body = json.loads(events.to_line(event))
    assert body["metrics"] == {"loss": None, "margin": None, "accuracy": 0.5} and body["epoch"] is None


def test_a_newer_protocol_is_refused_with_a_sentence():
    line = json.dumps({"v": events.PROTOCOL + 1, "event": "Notice", "code": "x", "message": "y"})
    with pytest.raises(UserError, match="made by a newer DPO Studio"):
        events.from_line(line)


def test_fields_of_a_later_minor_version_are_passed_over():
    line = json.dumps({"v": 1, "event": "Notice", "code": "x", "message": "y", "colour": "red"})
    assert events.from_line(line) == events.Notice("x", "y")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        '{"v": 1, "event": "Notice", "co',
        "Downloading: 37%",
        "[1, 2]",
        "12",
        "null",
        '{"v": 1, "event": "NoSuchEvent"}',
        '{"v": 1, "event": "Notice"}',
        '{"v": "1.2", "event": "Notice", "code": "x", "message": "y"}',
        '{"v": 1, "event": ["Notice"]}',
        '{"v": 1}',
    ],
)
def test_lines_that_are_no_event_are_none(line):
    assert events.from_line(line) is None


@given(st.text())
def test_no_line_makes_the_reader_fail(line):
    assert events.from_line(line) is None


MESSAGES = st.lists(st.builds(Message, role=TEXT, content=TEXT), max_size=3).map(tuple)
ITEMS = st.builds(
    commands.GenerationItem,
    group=st.integers(0),
    messages=MESSAGES,
    candidates=st.lists(st.integers(0, 8), max_size=4).map(tuple),
)
COMMANDS = st.one_of(
    st.builds(
        commands.Generate,
        job=TEXT,
        base=TEXT,
        items=st.lists(ITEMS, max_size=3).map(tuple),
        sampling=st.dictionaries(TEXT, st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
        adapter=st.none() | TEXT,
        device=TEXT,
    ),
    st.builds(commands.Load, base=TEXT, adapter=st.none() | TEXT, device=TEXT),
    st.builds(commands.Cancel, job=TEXT),
    st.builds(commands.Pause, job=TEXT),
    st.builds(commands.Resume, job=TEXT),
)


@given(COMMANDS)
def test_every_command_comes_back_equal(command):
    line = commands.to_line(command)
    assert line.endswith("\n") and line.count("\n") == 1
    assert commands.from_line(line) == command


def test_an_unknown_command_is_a_bug():
    with pytest.raises(ValueError, match="unknown command 'Dance'"):
        commands.from_line('{"command": "Dance"}')


def test_a_user_error_reads_as_one_sentence_after_the_other():
    assert str(UserError("It is full.", "Empty it.")) == "It is full. Empty it."
    assert str(UserError("It is full.")) == "It is full."
