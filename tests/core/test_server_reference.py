"""References to a model behind a server: what is one, and what is refused."""

from __future__ import annotations

import pytest

from dpo_studio.core import server_reference
from dpo_studio.core.errors import UserError


def test_a_reference_is_read_and_written_the_same():
    found = server_reference.parse(" openai:http://localhost:8000/v1/#Qwen/Qwen3-0.6B ")
    assert (found.url, found.model) == ("http://localhost:8000/v1", "Qwen/Qwen3-0.6B")
    assert str(found) == "openai:http://localhost:8000/v1#Qwen/Qwen3-0.6B"
    assert server_reference.parse(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["openai:", "openai:#m", "openai:localhost:8000/v1#m", "openai:ftp://h/v1#m", "openai:http://h/v1",
     "openai:http://h/v1# ", "openai:http://h:port/v1#m", "openai:http://[::1/v1#m",
     "openai:http://me:secret@h/v1#m", "openai:http://h/v1?key=secret#m"],
)  # fmt: skip
def test_what_is_not_one_is_refused_with_a_mend(text):
    with pytest.raises(UserError) as caught:
        server_reference.parse(text)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("base", ["starter", "openai/gpt-oss-20b", "/models/openai", "runs/x/model"])
def test_other_models_are_not_servers(base):
    assert not server_reference.is_server(base)
    server_reference.refuse_training(base)


def test_training_it_is_refused():
    with pytest.raises(UserError, match="cannot be trained"):
        server_reference.refuse_training("openai:http://h/v1#m")
