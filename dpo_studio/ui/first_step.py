"""Where a project without labels begins: the page that has what the next ones need. No Qt."""

from __future__ import annotations

from dpo_studio.store import Project, prompts, rankings


def first_step(project: Project) -> tuple[str, str, str]:
    """What is to be done first, to end a sentence with, and the text and the page of a button for it."""
    if not prompts.count(project):
        return "add prompts first, then have them answered and rank the answers.", "Add prompts", "prompts"
    if not rankings.counts(project).ready:
        return "have some prompts answered first, then rank the answers.", "Generate answers", "generate"
    return "rank some answers first.", "Go to Label", "label"
