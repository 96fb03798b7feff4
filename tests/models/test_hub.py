"""Models from a Hub, which is a local one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.local_hub import LocalHub, ask

ASK = """
import json, sys
from dpo_studio.core.errors import UserError
from dpo_studio.models.load import load
for line in sys.stdin:
    name = json.loads(line)
    stages = []
    try:
        loaded = load(name, dtype="float32", device="cpu", on_stage=stages.append)
        said = {"parameters": loaded.parameters, "stages": stages}
    except UserError as error:
        said = {"message": error.message, "hint": error.hint}
    print(json.dumps(said), flush=True)
"""


def test_models_come_from_the_hub_and_what_cannot_is_said(hub: LocalHub, tiny_llama: Path, tmp_path: Path) -> None:
    sound = {path.name: path.read_bytes() for path in tiny_llama.iterdir()}
    without = {name: body for name, body in sound.items() if name != "model.safetensors"}
    strange = json.dumps({**json.loads(sound["config.json"]), "model_type": "hyperllama9"}).encode()
    hub.files = {
        "tiny/sound": {
            **sound,
            "pytorch_model.bin": b"a pickle",
            "own.py": b"raise SystemExit",
            "onnx/model.safetensors": b"another format",
        },
        "tiny/pickled": {**without, "pytorch_model.bin": b"a pickle"},
        "tiny/ggufs": {"a.gguf": b"GGUF"},
        "tiny/empty": {"README.md": b"nothing here"},
        "tiny/strange": {**sound, "config.json": strange},
        "tiny/gated": sound,
    }
    hub.gated = {"tiny/gated"}
    names = ["sound", "pickled", "ggufs", "empty", "strange", "gated", "absent"]
    answers = dict(zip(names, ask(ASK, hub.url, tmp_path, [f"tiny/{name}" for name in names]), strict=True))

    assert answers["sound"]["parameters"] > 0
    assert any("downloading tiny/sound" in stage for stage in answers["sound"]["stages"])
    assert "pickle can run any code" in answers["pickled"]["message"]
    assert "GGUF" in answers["ggufs"]["message"]
    assert "no weights" in answers["empty"]["message"]
    assert "hyperllama9" in answers["strange"]["message"]
    assert "terms" in answers["gated"]["message"] and "hf auth login" in answers["gated"]["hint"]
    assert "no model called tiny/absent" in answers["absent"]["message"]
    assert not [name for name in hub.fetched if name.endswith((".bin", ".py", ".md")) or "/onnx/" in name]

    # With the Hub gone, what was downloaded still works, and the rest is a sentence.
    hub.close()
    kept, gone = ask(ASK, hub.url, tmp_path, ["tiny/sound", "tiny/other"])
    assert kept["parameters"] == answers["sound"]["parameters"]
    assert "could not be reached" in gone["message"] and gone["hint"]
