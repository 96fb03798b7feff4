"""What a checkpoint and an adapter consist of is on the disk before they get their names: a power cut takes no half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dpo_studio.training import worker

pytestmark = pytest.mark.skipif(os.name == "nt", reason="inodes are a Unix thing")


@pytest.fixture
def synced_names(monkeypatch) -> list[tuple[str, list[str], bool]]:
    """Of each folder that gets its name: the name, its files that are not on the disk by then, and whether the run's
    log was, as far as it went.
    """
    synced: dict[int, int] = {}
    named: list[tuple[str, list[str], bool]] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(handle: int) -> None:
        status = os.fstat(handle)
        synced[status.st_ino] = status.st_size
        real_fsync(handle)

    def is_synced(path: Path) -> bool:
        return synced.get(path.stat().st_ino) == path.stat().st_size or (path.is_dir() and path.stat().st_ino in synced)

    def rename(source: Path, target: Path) -> Path:
        if source.name.endswith(".partial") and source.is_dir():
            missing = [path.name for path in (source, *source.rglob("*")) if not is_synced(path)]
            log = next(folder / "events.jsonl" for folder in source.parents if (folder / "events.jsonl").exists())
            named.append((target.name, missing, is_synced(log)))
        return real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    return named


@pytest.mark.parametrize("trains", ["lora", "full"])
def test_every_file_is_on_the_disk_before_its_folder_has_a_name(make_run, monkeypatch, synced_names, trains):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = make_run(trains=trains, max_steps=4, evaluate_every=0)
    assert worker.main(folder) == 0
    left = "adapter" if trains == "lora" else "model"
    assert [name for name, *_ in synced_names] == ["step-000002", "step-000004", left]
    assert [missing for _, missing, _ in synced_names] == [[], [], []]
    assert [log for name, _, log in synced_names if name != left] == [True, True]
