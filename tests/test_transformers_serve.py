"""Against a real server of the OpenAI API, transformers' own `transformers serve`: answers, judging, refusals."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, judgements, prompts
from tests.tiny_models import END, llama_config, save

_PACKAGES = ("fastapi", "uvicorn", "openai")
_MISSING = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"transformers serve needs {', '.join(_MISSING)}")
_SERVE = "from transformers.cli.transformers import main; main()"
_PATIENCE_S = 240


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server that is bound to no model and lists none: its Hub cache is not there."""
    folder = tmp_path_factory.mktemp("serve")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=log,
            stderr=log,
            env=environment,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"transformers serve did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="module")
def drawing_model(tmp_path_factory):
    """A tiny model that draws at random, as most instruct models of the Hub are set to do."""
    folder = save(tmp_path_factory.mktemp("serve-models") / "draws", llama_config(max_position_embeddings=2048))
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "do_sample": True}))
    return folder


@pytest.fixture(scope="module")
def model_that_says_a(tmp_path_factory):
    """A tiny model that answers "A" to everything, and is not set to draw.

    Its layers add nothing. Each token's embedding points along the first axis, which "A" lies on, and that of "A"
    along the second, which the end lies on.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save(
        tmp_path_factory.mktemp("serve-models") / "says-a",
        llama_config(max_position_embeddings=2048, tie_word_embeddings=False),
    )
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    letter, end = tokenizer.convert_tokens_to_ids(["A", END])
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.zero_()
        embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embeddings[:, 0], embeddings[letter, 1] = 1.0, 10.0
        head[letter, 0], head[end, 1] = 30.0, 30.0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model_that_thinks(tmp_path_factory):
    """A tiny model that thinks a sentence and then says "A", as one does whose chat format begins the thinking.

    Its layers add nothing: each token's embedding points along an axis of its own, on which the next one lies.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = llama_config(max_position_embeddings=8192, tie_word_embeddings=False)
    folder = save(tmp_path_factory.mktemp("serve-models") / "thinks", config)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    said = tokenizer.encode("\nThe quick brown fox jumps.</think>A", add_special_tokens=False)
    chain = [*said, tokenizer.convert_tokens_to_ids(END)]
    assert 12 < len(chain) == len(set(chain)) <= 32
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.zero_()
        embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        for axis, (token, following) in enumerate(itertools.pairwise(chain)):
            embeddings[token, axis], head[following, axis] = 10.0, 30.0
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DPO_STUDIO_API_KEY", raising=False)
    with Project.create(tmp_path / "project", guideline="Short is good.") as project:
        for text in ("Name a colour.", "Say hello."):
            prompts.add(project, [Message("user", text)])
    return tmp_path / "project"


def test_its_answers_are_kept(call, folder, server, drawing_model):
    base = f"openai:{server}#{drawing_model}"
    status, made, err = call("generate", folder, "--model", base, "--k", 3, "--max-new-tokens", 6)
    assert status == 0 and (made["groups"], made["completions"], made["left"]) == (2, 6, 0), err
    with Project.open(folder) as project:
        for group in completions.recent_groups(project):
            assert len({completion.text for completion in group.completions}) == 3
            assert {completion.finish_reason for completion in group.completions} <= {"length", "stop"}


def test_answers_that_do_not_vary_are_noticed(call, folder, server, model_that_says_a):
    base = f"openai:{server}#{model_that_says_a}"
    status, made, err = call("generate", folder, "--model", base, "--k", 2, "--limit", 1, "--max-new-tokens", 6)
    assert status == 0 and made["completions"] == 2, err
    assert "Answer 2 is the same as another one: the server gave it for another seed too" in err or (
        "Answer 1 is the same as another one: the server gave it for another seed too" in err
    )
    with Project.open(folder) as project:
        (group,) = completions.recent_groups(project)
        assert [(one.text, one.finish_reason) for one in group.completions] == [("A", "stop")] * 2


def test_a_judge_behind_it_that_goes_by_the_order_is_told_so(call, folder, server, model_that_says_a):
    with Project.open(folder) as project:
        for prompt in prompts.all_prompts(project):
            group = completions.add_group(project, prompt.id, size=3)
            for text in ("one", "one two", "one two three"):
                completions.add(project, group.id, text)
    status, done, err = call("judge", folder, "--server", f"openai:{server}#{model_that_says_a}")
    assert status == 0, err
    assert (done["asked"], done["unanswered"], done["pairs"], done["first_shown"]) == (12, 0, 6, 12)
    assert (done["judged"], done["no_opinion"], done["disagreement"], done["by_order"]) == (0, 2, 1.0, True)
    with Project.open(folder) as project:
        assert "of no use here" in judgements.by_order(project, done["judge"])


def test_a_judge_behind_it_that_thinks_is_heard_to_its_end(call, folder, server, model_that_thinks):
    with Project.open(folder) as project:
        for prompt in prompts.all_prompts(project):
            group = completions.add_group(project, prompt.id, size=2)
            for text in ("one", "one two"):
                completions.add(project, group.id, text)
    status, done, err = call("judge", folder, "--server", f"openai:{server}#{model_that_thinks}")
    assert status == 0, err
    assert (done["asked"], done["unanswered"], done["pairs"], done["first_shown"]) == (4, 0, 2, 4)


def test_a_model_that_it_cannot_load_is_a_sentence(call, folder, server):
    status, answer, err = call("generate", folder, "--model", f"openai:{server}#nobody/has-this-model")
    assert status == 2 and answer["error"] and answer["hint"] and "Traceback" not in err
    with Project.open(folder) as project:
        assert not completions.recent_groups(project)
