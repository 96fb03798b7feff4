"""Seeds, random streams, and text that never cuts a character in two."""

from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_studio.core.seeds import candidate_seed
from dpo_studio.core.types import Message
from dpo_studio.generation.streams import RandomStream, TextStream
from tests.tiny_models import END, tokenizer

HELLO = (Message("user", "Hello"),)


def test_the_seed_is_the_hash_of_what_it_stands_for() -> None:
    text = '7|[{"role": "user", "content": "Hello"}]|2'
    assert candidate_seed(7, HELLO, 2) == int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


def test_every_part_changes_the_seed() -> None:
    seeds = [
        candidate_seed(0, HELLO, 0),
        candidate_seed(1, HELLO, 0),
        candidate_seed(0, HELLO, 1),
        candidate_seed(0, HELLO, 0, attempt=1),
        candidate_seed(0, (Message("system", "Hello"),), 0),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**48 for seed in seeds)


def test_a_stream_is_its_generators_numbers_in_order() -> None:
    stream = RandomStream(42)
    generator = torch.Generator().manual_seed(42)
    wanted = [torch.rand(1, generator=generator, dtype=torch.float64).item() for _ in range(150)]
    assert [stream.next() for _ in range(150)] == wanted


@pytest.fixture(scope="module")
def tok():
    return tokenizer()


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab é日本語🎉👩‍👩‍👧\n\t.�", max_size=30))
def test_pieces_join_to_the_text_and_are_whole_characters(tok, text: str) -> None:
    ids = tok(text, add_special_tokens=False)["input_ids"]
    stream = TextStream(lambda some: tok.decode(list(some), skip_special_tokens=True))
    pieces = [stream.push(token) for token in ids]
    last = stream.finish()
    assert "".join(pieces) + last == text == stream.text
    if "�" not in text:
        assert "�" not in "".join(pieces)


def test_a_character_cut_by_the_limit_is_given_at_the_end(tok) -> None:
    ids = tok("a🎉", add_special_tokens=False)["input_ids"][:-1]
    stream = TextStream(lambda some: tok.decode(list(some), skip_special_tokens=True))
    assert "".join(stream.push(token) for token in ids) == "a"
    assert stream.finish() == "�"


def test_control_tokens_leave_no_text(tok) -> None:
    ids = [*tok("one", add_special_tokens=False)["input_ids"], tok.convert_tokens_to_ids(END)]
    stream = TextStream(lambda some: tok.decode(list(some), skip_special_tokens=True))
    assert "".join(stream.push(token) for token in ids) + stream.finish() == "one"
