"""Which models are taken, and that each of the others is refused with its reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dpo_studio.core.errors import UserError
from dpo_studio.models import find as finding
from dpo_studio.models.find import find
from dpo_studio.models.load import load


@pytest.fixture
def folder(tiny_llama: Path, tmp_path: Path) -> Path:
    """A copy of a tiny model, to be spoilt."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def refused(reference: Path | str) -> UserError:
    with pytest.raises(UserError) as caught:
        find(str(reference))
    assert caught.value.hint
    return caught.value


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_sound_folder_is_taken_as_it_is(folder: Path) -> None:
    assert find(str(folder)) == folder


def test_only_pickled_weights_are_refused_with_the_reason(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickle can run any code" in refused(folder).message
    assert "pickle can run any code" in refused(folder / "pytorch_model.bin").message


def test_pickled_weights_beside_safetensors_are_not_read(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert load(str(folder), dtype="float32").parameters > 0


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no weights" in refused(folder).message


def test_missing_shards_are_counted(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "2 of its 2 weight files are missing" in refused(folder).message


def test_an_unknown_architecture_is_refused_by_name(folder: Path) -> None:
    change_config(folder, model_type="hyperllama9")
    assert "hyperllama9" in refused(folder).message


def test_a_model_that_brings_code_is_refused_and_its_code_is_not_run(folder: Path, tmp_path: Path) -> None:
    change_config(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    assert "brings its own program code" in refused(folder).message
    assert not (tmp_path / "ran").exists()


def test_code_beside_a_known_architecture_is_not_run(folder: Path, tmp_path: Path) -> None:
    change_config(folder, auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    assert type(load(str(folder), dtype="float32").model).__name__ == "LlamaForCausalLM"
    assert not (tmp_path / "ran").exists()


def test_a_model_that_does_not_write_is_refused(folder: Path) -> None:
    change_config(folder, model_type="clip")
    assert "does not write text" in refused(folder).message


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    assert "no tokenizer" in refused(folder).message


@pytest.mark.parametrize("text", ["{ broken", "[1, 2]"])
def test_a_damaged_config_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "config.json" in refused(folder).message


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "is an adapter" in refused(tmp_path).message


@pytest.mark.parametrize("reference", ["", "/no/such/folder", "./nothing", "a/b/c", "C:\\models\\x", "missing.gguf"])
def test_nothing_there_is_said_without_asking_the_hub(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*args, **kwargs):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(finding.hub, "download", asked)
    refused(reference)


def test_damaged_weights_are_refused_by_a_sentence(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="damaged"):
        load(str(folder), dtype="float32")


def test_weights_that_lack_some_are_refused_and_not_made_up(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    gone = next(name for name in weights if "layers.1.mlp" in name)
    del weights[gone]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match="1 of its weights are missing"):
        load(str(folder), dtype="float32")
