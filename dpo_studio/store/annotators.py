"""Who labels in a project: the person who does now, and those who did."""

from __future__ import annotations

from dpo_studio.core.errors import UserError

from .database import NOBODY, Project, storable

MAX_NAME = 60


def with_labels(project: Project) -> set[str]:
    """The names of the people who gave a label in this project."""
    rows = project.db.conn.execute("SELECT DISTINCT annotator FROM ranking_tallies WHERE annotator_kind = 'person'")
    return {row[0] for row in rows}


def people(project: Project) -> list[str]:
    """Everyone with a label in the project, and the person who labels now, by name."""
    return sorted({project.annotator, *with_labels(project)}, key=str.casefold)


def is_known(project: Project) -> bool:
    """Whether it is known who labels here: a name was given, or there are labels without one to go on from."""
    return bool(project.fact("annotator")) or NOBODY in with_labels(project)


def named_elsewhere(project: Project) -> bool:
    """Take up a name that another window gave, where nobody labelled without one before; whether it did."""
    name = project.fact("annotator")
    if project.is_named or not name or NOBODY in with_labels(project):
        return False
    project.label_as(name)
    return True


def take_over(project: Project, name: str) -> str:
    """Let another person label from now on; returns the name as it is kept.

    Raises:
        UserError: the name is empty or too long.
    """
    name = storable(" ".join(name.split()))
    if not name:
        raise UserError("A name is needed, so that labels can be told apart.", "Type yours, or any word you like.")
    if len(name) > MAX_NAME:
        raise UserError(f"The name is {len(name)} characters long.", f"Use at most {MAX_NAME}.")
    project.label_as(name)
    return name
