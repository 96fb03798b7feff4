"""Prompts read from files and typed text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpo_studio.core import prompt_files
from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Message


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def test_each_line_is_a_prompt() -> None:
    assert prompt_files.parse_text(" one \n\ntwo\r\n  \nthree") == [user("one"), user("two"), user("three")]


def test_one_block_of_lines_is_still_a_prompt_a_line() -> None:
    assert prompt_files.parse_text("one\ntwo\n\n") == [user("one"), user("two")]


def test_blocks_are_prompts_when_one_has_several_lines() -> None:
    text = "Rewrite this:\n  it was late\n\n\nSay hello\n \n"
    assert prompt_files.parse_text(text) == [user("Rewrite this:\n  it was late"), user("Say hello")]


def test_the_rule_can_be_overridden() -> None:
    text = "a\nb\n\nc"
    assert prompt_files.parse_text(text, split="lines") == [user("a"), user("b"), user("c")]
    assert prompt_files.parse_text("a\n\nb", split="paragraphs") == [user("a"), user("b")]
    assert prompt_files.parse_text("a\nb", split="paragraphs") == [user("a\nb")]


def test_nothing_typed_is_no_prompt() -> None:
    assert prompt_files.parse_text(" \n\n") == []


def test_text_file_says_how_it_was_split(tmp_path: Path) -> None:
    lines = prompt_files.read(write(tmp_path, "a.txt", "one\ntwo\n"))
    assert (lines.split, lines.notes, len(lines.conversations)) == ("lines", [], 2)
    blocks = prompt_files.read(write(tmp_path, "b.txt", "one\ntwo\n\nthree\n"))
    assert blocks.split == "paragraphs" and len(blocks.conversations) == 2 and "Blank lines" in blocks.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "a.txt", "Où est la gare ?\n東京".encode(encoding))
    assert prompt_files.read(path).conversations == [user("Où est la gare ?"), user("東京")]


def test_jsonl_shapes(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Who are you?"},
    ]
    rows = [
        {"prompt": "plain"},
        {"prompt": turns},
        {"messages": turns[:3]},
        "bare",
        {"prompt": [{"role": "user", "content": "with more", "name": "x"}], "chosen": "left alone"},
    ]
    read = prompt_files.read(write(tmp_path, "a.jsonl", "\ufeff" + "\n\n".join(map(json.dumps, rows)) + "\r\n"))
    assert read.refused == []
    assert read.conversations == [
        user("plain"),
        tuple(Message(t["role"], t["content"]) for t in turns),
        (Message("system", "Be brief."), Message("user", "Hi")),
        user("bare"),
        user("with more"),
    ]
    assert read.notes == ["1 conversation ends with an answer, which was left out: a prompt ends with the user's turn."]


def test_refused_lines_are_numbered_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [
        '{"prompt": "ok"}',
        "",
        "{broken",
        '{"text": "no prompt"}',
        '{"prompt": " "}',
        '{"messages": [{"role": "robot", "content": "x"}]}',
        '{"messages": [{"role": "assistant", "content": "x"}]}',
        '{"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]}',
        '{"messages": []}',
        "17",
        '{"messages": [{"role": "user", "content": 5}]}',
        "null",
    ]
    read = prompt_files.read(write(tmp_path, "a.jsonl", "\n".join(lines)))
    assert read.conversations == [user("ok")]
    assert [number for number, _ in read.refused] == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    reasons = dict(read.refused)
    assert reasons[3] == "is not JSON"
    assert "robot" in reasons[6] and reasons[7] == "holds no user turn" and reasons[8] == "ends with a system turn"
    assert reasons[11] == "has a message without a role and a text"


def test_line_separators_inside_json_texts_do_not_cut_lines(tmp_path: Path) -> None:
    read = prompt_files.read(write(tmp_path, "a.jsonl", '{"prompt": "a\u2028b"}\n{"prompt": "c"}\n'))
    assert read.conversations == [user("a\u2028b"), user("c")]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_json_list_in_either_file(tmp_path: Path, name: str) -> None:
    read = prompt_files.read(write(tmp_path, name, json.dumps(["one", {"prompt": "two"}, {}], indent=1)))
    assert read.conversations == [user("one"), user("two")]
    assert [number for number, _ in read.refused] == [3]


def test_json_lines_in_a_json_file(tmp_path: Path) -> None:
    read = prompt_files.read(write(tmp_path, "a.json", '{"prompt": "one"}\n{"prompt": "two"}'))
    assert len(read.conversations) == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "is empty"),
        ("a.jsonl", b"\xef\xbb\xbf \n", "is empty"),
        ("a.txt", b"fine\ncaf\xe9\n", "not UTF-8 text (line 2)"),
        ("a.jsonl", b"\n\nhello\nthere\n", "not JSON (line 3)"),
        ("a.txt", b"ab\x00cd", "not a text file"),
        ("a.csv", b"prompt\nhi\n", ".csv file"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    with pytest.raises(UserError) as caught:
        prompt_files.read(write(tmp_path, name, content))
    assert says in caught.value.message and caught.value.hint


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no file"):
        prompt_files.read(tmp_path / "none.txt")
    with pytest.raises(UserError, match="is a folder"):
        prompt_files.read(tmp_path)
