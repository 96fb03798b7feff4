"""Fixtures that every room shares: the command line, tiny models, the starter model, a Hub, a screen for Qt."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.openai_server import OpenAIServer

sys.path.insert(0, str(Path(__file__).parent.parent))  # so that tests can say `from tests.tiny_models import …`

if sys.platform == "linux" and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"  # never a person's own


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Runs a command of the command line with --json: its exit status, what it answered, and its stderr."""
    from dpo_studio import cli
    from dpo_studio.cli_output import run

    def called(*arguments: object) -> tuple[int, Any, str]:
        capfd.readouterr()
        status = run(cli.cli, [*map(str, arguments), "--json"])
        said = capfd.readouterr()
        return status, json.loads(said.out), said.err

    return called


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model of a family ("llama", "qwen3", "gemma2", "gpt2"), made once a session."""
    from tests.tiny_models import build

    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = build(family, tmp_path_factory.mktemp("models") / f"tiny-{family}")
        return made[family]

    return folder


@pytest.fixture(scope="session")
def tiny_llama(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llama")


@pytest.fixture(scope="session")
def tiny_gpt2(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("gpt2")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server of the OpenAI API on this machine; no key is in the environment."""
    from tests.openai_server import OpenAIServer

    monkeypatch.delenv("DPO_STUDIO_API_KEY", raising=False)
    monkeypatch.delenv("DPO_STUDIO_API_ADDRESS", raising=False)
    server = OpenAIServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def starter() -> Path:
    """The starter model's folder, converted on the machine's first use of it."""
    from dpo_studio.models.starter import ensure

    return ensure()


@pytest.fixture
def hub() -> Iterator[Any]:
    """A tests.local_hub.LocalHub, empty at first."""
    from tests.local_hub import LocalHub

    made = LocalHub()
    yield made
    made.close()


@pytest.fixture
def closed_windows_are_gone() -> Iterator[None]:
    """What a test closed is deleted when it ends, threads and all; else every later look dresses it again, slowly."""
    yield
    from PySide6.QtCore import QEvent
    from PySide6.QtWidgets import QApplication

    if QApplication.instance() is not None:
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
