"""What was written about items and is not saved with a label yet: kept in the project between sessions. No Qt."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from dpo_studio.core.types import Group, Ranking
from dpo_studio.store import Project
from dpo_studio.store.database import NOBODY, storable

_FACT = "label_draft"


@dataclass(frozen=True, slots=True)
class Draft:
    """A note, flags or an answer of the person's own.

    Attributes:
        over: the uuid of the earlier judgement it would change, or "" for a group that waits.
        written: the person's own answer, ranked first.
        unfinished: the same, while it is still being written.
        on_screen: it was looked at when the page was left.
        beside: the judgement was given without it; it stays until it is used or taken away.
    """

    over: str = ""
    note: str = ""
    flags: tuple[str, ...] = ()
    written: str = ""
    unfinished: str = ""
    on_screen: bool = False
    beside: bool = False


class Drafts:
    """One person's drafts in one project, by group. Another window's drafts on the same project are left alone."""

    def __init__(self, project: Project, annotator: str) -> None:
        self._project = project
        self._fact = _FACT if annotator == NOBODY else f"{_FACT}:{annotator}"
        self._kept = _read(project.fact(self._fact))
        self._touched: set[str] = set()  # groups whose draft is, or was, this window's business

    def of(self, group: Group, earlier: Ranking | None) -> Draft | None:
        """The draft for a group as it stands; one over another judgement than `earlier` is not for now."""
        draft = self._kept.get(group.uuid)
        return draft if draft is not None and draft.over == (earlier.uuid if earlier else "") else None

    def keep(self, group: Group, draft: Draft) -> None:
        self._kept[group.uuid] = draft
        self._touched.add(group.uuid)

    def drop(self, group: Group) -> None:
        if self._kept.pop(group.uuid, None) is not None:
            self._touched.add(group.uuid)

    def is_kept(self, group: Group) -> bool:
        """Whether there is a draft for a group, of whatever kind."""
        return group.uuid in self._kept

    def over_on_screen(self) -> str:
        """The uuid of the earlier judgement that was looked at when the page was left; "" for none."""
        return next((draft.over for draft in self._kept.values() if draft.on_screen and draft.over), "")

    def write(self, on_screen: Group | None) -> None:
        """Write them into the project, if they are others than those there.

        Raises:
            UserError: the project could not be written.
        """
        before = self._project.fact(self._fact)
        text = self._text(before, on_screen)
        if text != before:
            with self._project.transaction():
                self._project.set_fact(self._fact, self._text(self._project.fact(self._fact), on_screen))

    def _text(self, there: str, on_screen: Group | None) -> str:
        """What is to be kept, given what is."""
        drafts = {group: draft for group, draft in _read(there).items() if group not in self._touched}
        drafts |= {group: draft for group, draft in self._kept.items() if group in self._touched}
        shown = "" if on_screen is None else on_screen.uuid
        bodies = {group: {**asdict(draft), "on_screen": group == shown} for group, draft in drafts.items()}
        return storable(json.dumps(bodies, ensure_ascii=False)) if bodies else ""


def _read(text: str) -> dict[str, Draft]:
    """Drafts by group; the form that held a single one, with its group among its fields, is read too."""
    bodies = json.loads(text) if text else {}
    if isinstance(bodies.get("group"), str):
        bodies = {bodies["group"]: bodies}
    names = {field.name for field in fields(Draft)}
    known = {group: {name: body[name] for name in names & body.keys()} for group, body in bodies.items()}
    return {group: Draft(**{**body, "flags": tuple(body.get("flags", ()))}) for group, body in known.items()}
