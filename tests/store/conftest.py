"""A small project to work on, and a way to fill it."""

from __future__ import annotations

from functools import partial

import pytest

from dpo_studio.store import Project
from tests.groups import add_group


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "project"


@pytest.fixture
def project(folder):
    with Project.create(folder, guideline="Shorter is better.") as made:
        yield made


@pytest.fixture
def make_group():
    """tests.groups.add_group, on a prompt that is not held out."""
    return partial(add_group, held_out=False)
