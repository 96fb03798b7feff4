"""Thinking that a server gives apart from its answer is kept before it, in marks, as a local model writes it."""

from __future__ import annotations

import pytest

from dpo_studio.core import commands, events, thinking
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.service import Generator
from tests.openai_server import OpenAIServer

THOUGHT = "Let me see.\n\nIt is so."


def answer_of(server: OpenAIServer, **more) -> events.CompletionFinished:
    """The one answer, which is also what was streamed."""
    sampling = SamplingSettings(seed=7, **{"max_new_tokens": 12, **more})
    item = commands.GenerationItem(1, (Message("user", "Why?"),), (0,))
    said = list(
        Generator().run(
            commands.Generate("job", f"openai:{server.url}#small", (item,), sampling.to_json()), lambda: False
        )
    )
    (answer,) = [event for event in said if isinstance(event, events.CompletionFinished)]
    assert "".join(event.text for event in said if isinstance(event, events.TokensDecoded)) == answer.text
    return answer


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("mode", ["", "not streamed"])
def test_both_names_are_read_streamed_and_not(server: OpenAIServer, field: str, mode: str) -> None:
    server.thinks, server.mode = (THOUGHT, field), mode
    answer = answer_of(server)
    first, second = thinking.split(answer.text)
    assert (first.text, first.is_thinking, first.closed) == (THOUGHT, True, True)
    assert second.text == ("Answer 7" if mode else "Answer 7: first\nwörds") and answer.finish_reason == "stop"
    assert thinking.answer(answer.text) == second.text


def test_an_answer_in_parts_is_read(server: OpenAIServer) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]}
    server.says = lambda body: [
        {"content": [thought]},
        {"content": [{"type": "text", "text": "Yes"}]},
        {"content": "."},
    ]
    parts = thinking.split(answer_of(server).text)
    assert [(each.text, each.is_thinking) for each in parts] == [("Let me see.", True), ("Yes.", False)]


def test_a_stop_string_is_looked_for_in_the_answer_alone(server: OpenAIServer) -> None:
    server.thinks = (THOUGHT, "reasoning")
    answer = answer_of(server, stop=("\n",))
    assert (answer.text, answer.finish_reason) == (f"<think>\n{THOUGHT}\n</think>\n\nAnswer 7: first", "stop_string")


@pytest.mark.parametrize(("tokens", "closed", "reason"), [(12, True, "stop"), (3, False, "length")])
def test_thinking_without_an_answer_is_open_where_the_limit_cut_it(server, tokens, closed, reason) -> None:
    server.thinks, server.mode = (THOUGHT, "reasoning_content"), "only thinks"
    answer = answer_of(server, max_new_tokens=tokens)
    sections = thinking.split(answer.text)
    assert [(section.text, section.closed) for section in sections if section.is_thinking] == [(THOUGHT, closed)]
    assert answer.finish_reason == reason and thinking.answer(answer.text) == ""
