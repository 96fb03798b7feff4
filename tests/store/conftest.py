"""A small project to work on, and a way to fill it."""

from __future__ import annotations

import pytest

from dpo_studio.core.types import Message
from dpo_studio.store import Project, completions, prompts


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def project(folder):
    with Project.create(folder, guideline="Shorter is better.") as made:
        yield made


@pytest.fixture
def make_group():
    """A function that adds a prompt and a ready group of completions to a project."""

    def make(project, text="Why is the sky blue?", answers=("a", "b", "c", "d"), *, held_out=False):
        prompt = prompts.add(project, [Message("user", text)])
        prompts.set_held_out(project, prompt.id, held_out)
        group = completions.add_group(project, prompt.id, size=len(answers))
        for answer in answers:
            completions.add(project, group.id, answer)
        return completions.get_group(project, group.id)

    return make
