"""Rows of data.jsonl as token ids, the order of the data, and how groups are cut into micro-batches."""

from __future__ import annotations

import json
import random

import pytest

from dpo_studio.core.errors import UserError
from dpo_studio.training import batches


class Letters:
    """A chat format in which a letter is a token, 1 begins an answer and 2 ends a turn."""

    def prompt_ids(self, messages):
        if messages[0].role == "system":
            raise UserError("no system messages here")
        return [ord(letter) for message in messages for letter in message.content] + [1]

    def completion_ids(self, text, finish_reason):
        return [ord(letter) for letter in text] + ([] if finish_reason == "length" else [2])


def completion(text="a", ids=None, tokenizer_hash=None, finish="stop"):
    return {"text": text, "token_ids": ids, "tokenizer_hash": tokenizer_hash, "finish_reason": finish}


def read(tmp_path, *rows, max_length=100, method="pl_dpo"):
    whole = [
        {
            "group": f"g{n}",
            "held_out": False,
            "prompt": [{"role": "user", "content": "hi"}],
            "completions": [completion("a"), completion("b")],
            "ranks": [1, 2],
            **row,
        }
        for n, row in enumerate(rows)
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in whole))
    return batches.read(path, Letters(), tokenizer_hash="mine", max_length=max_length, method=method)


def test_stored_ids_are_used_for_this_tokenizer_only(tmp_path):
    row = {
        "completions": [
            completion("xy", [7, 8, 9], "mine"),
            completion("xy", [7, 8, 9], "another's"),
            completion("xy", finish="length"),
            completion("xy", finish="written"),
        ],
        "ranks": [2, None, 1, None],
    }
    (example,) = read(tmp_path, row).train
    assert example.prompt == (ord("h"), ord("i"), 1)
    x, y = ord("x"), ord("y")
    assert example.completions == ((7, 8, 9), (x, y, 2), (x, y), (x, y, 2))
    assert example.ranks == (2, 0, 1, 0)
    assert (example.longest, example.tokens) == (6, 3 + 3 + 3 + 2 + 3)


def test_each_reason_for_leaving_out_is_counted(tmp_path):
    data = read(
        tmp_path,
        {},
        {"held_out": True, "prompt": [{"role": "user", "content": "ho"}]},
        {"completions": [completion("a"), completion("a")]},
        {"completions": [completion("a")], "ranks": [1]},
        {"ranks": [1, 1]},
        {"completions": [completion("a"), completion("b" * 7)]},
        {"completions": [completion("a"), completion("b" * 6)]},  # 3 + 6 + 1 is 10: it just fits
        {"prompt": [{"role": "system", "content": "s"}]},
        {"prompt": [{"role": "system", "content": "s"}]},
        max_length=10,
    )
    assert [example.group for example in data.train] == ["g0", "g6"]
    assert [example.group for example in data.held_out] == ["g1"]
    codes = {notice.code: notice.message for notice in data.notices}
    assert sorted(codes) == [
        "left_out_identical",
        "left_out_nothing_ordered",
        "left_out_refused",
        "left_out_too_few",
        "left_out_too_long",
    ]
    assert "2 groups" in codes["left_out_refused"] and "10 tokens" in codes["left_out_too_long"]


def many_answers(count: int) -> dict:
    texts = [completion(chr(ord("a") + n)) for n in range(count)]
    return {"completions": texts, "ranks": list(range(1, count + 1))}


def test_more_answers_than_the_method_can_weigh_are_left_out_and_told(tmp_path):
    data = read(tmp_path, many_answers(10), many_answers(11), max_length=20)
    assert [len(example.completions) for example in data.train] == [10]
    (notice,) = data.notices
    assert notice.message == (
        "1 group is left out. Left out are groups that have more answers than PL-DPO can weigh as one ranking (10);"
        " the method DPO takes any number."
    )
    assert [len(e.completions) for e in read(tmp_path, many_answers(11), max_length=20, method="dpo").train] == [11]
    with pytest.raises(UserError, match="no group to train on.*more answers than PL-DPO"):
        read(tmp_path, many_answers(30), max_length=20)


@pytest.mark.parametrize("text", ["not json\n", "[1, 2]\n", '{"group": "g"}\n'])
def test_damaged_data_is_a_sentence(tmp_path, text):
    path = tmp_path / "data.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match="damaged"):
        batches.read(path, Letters(), tokenizer_hash="mine", max_length=10)


def test_a_held_out_prompt_that_reads_like_one_that_trains_is_told(tmp_path):
    twin, other = ([{"role": "user", "content": text}] for text in ("hi", "ho"))
    data = read(tmp_path, {}, {"held_out": True, "prompt": twin}, {"held_out": True, "prompt": other})
    assert len(data.held_out) == 2
    (notice,) = data.notices
    assert notice.code == "held_out_seen" and notice.message.startswith("1 held-out group reads")
    assert not read(tmp_path, {}, {"held_out": True, "prompt": other}).notices


def test_only_held_out_groups_are_nothing_to_train_on(tmp_path):
    with pytest.raises(UserError, match="no group to train on"):
        read(tmp_path, {"held_out": True})


def test_every_group_once_an_epoch_and_the_last_batch_is_used(make_example):
    examples = [make_example(random.Random(n), str(n)) for n in range(10)]
    epochs = []
    for epoch in range(3):
        steps = [
            batches.batch_of_step(examples, epoch * 3 + step, batch_groups=4, seed=9)
            for step in range(batches.steps_per_epoch(10, 4))
        ]
        assert [len(batch) for batch in steps] == [4, 4, 2]
        epochs.append([example.group for batch in steps for example in batch])
        assert sorted(epochs[-1], key=int) == [str(n) for n in range(10)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert batches.order(10, seed=9, epoch=0) != batches.order(10, seed=8, epoch=0)


def test_micro_batches_keep_the_order_and_the_budget(make_example):
    examples = [make_example(random.Random(n), str(n)) for n in range(12)]
    for budget in (1, 60, 100, 10_000):
        parts = batches.micro_batches(examples, budget)
        assert [example for part in parts for example in part] == examples
        assert all(len(part) == 1 or sum(example.tokens for example in part) <= budget for part in parts)
    assert len(batches.micro_batches(examples, 1)) == 12
    assert len(batches.micro_batches(examples, 10_000)) == 1
