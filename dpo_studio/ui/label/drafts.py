"""What was written about items and is not saved with a label yet: kept in the project between sessions. No Qt."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from dpo_studio.core.types import Group, Ranking
from dpo_studio.store import Project
from dpo_studio.store.database import NOBODY

_FACT = "label_draft"


@dataclass(frozen=True, slots=True)
class Draft:
    """A note, flags or an answer of the person's own.

    Attributes:
        over: the uuid of the earlier judgement it would change, or "" for a group that waits.
        written: the person's own answer, ranked first.
        unfinished: the same, while it is still being written.
        on_screen: it was looked at when the page was left.
    """

    over: str = ""
    note: str = ""
    flags: tuple[str, ...] = ()
    written: str = ""
    unfinished: str = ""
    on_screen: bool = False


class Drafts:
    """One person's drafts in one project, by group."""

    def __init__(self, project: Project, annotator: str) -> None:
        self._project = project
        self._fact = _FACT if annotator == NOBODY else f"{_FACT}:{annotator}"
        self._on_disk = project.fact(self._fact)
        self._kept = _read(self._on_disk)

    def of(self, group: Group, earlier: Ranking | None) -> Draft | None:
        """The draft for a group as it stands; one over another judgement than `earlier` is not for now."""
        draft = self._kept.get(group.uuid)
        return draft if draft is not None and draft.over == (earlier.uuid if earlier else "") else None

    def keep(self, group: Group, draft: Draft) -> None:
        self._kept[group.uuid] = draft

    def drop(self, group: Group) -> None:
        self._kept.pop(group.uuid, None)

    def over_on_screen(self) -> str:
        """The uuid of the earlier judgement that was looked at when the page was left; "" for none."""
        return next((draft.over for draft in self._kept.values() if draft.on_screen and draft.over), "")

    def write(self, on_screen: Group | None) -> None:
        """Write them into the project, if they are others than those there.

        Raises:
            UserError: the project could not be written.
        """
        bodies = {}
        for group, draft in self._kept.items():
            bodies[group] = {**asdict(draft), "on_screen": on_screen is not None and group == on_screen.uuid}
        text = json.dumps(bodies, ensure_ascii=False) if bodies else ""
        if text != self._on_disk:
            self._project.set_fact(self._fact, text)
            self._on_disk = text


def _read(text: str) -> dict[str, Draft]:
    """Drafts by group; the form that held a single one, with its group among its fields, is read too."""
    bodies = json.loads(text) if text else {}
    if isinstance(bodies.get("group"), str):
        bodies = {bodies["group"]: bodies}
    names = {field.name for field in fields(Draft)}
    known = {group: {name: body[name] for name in names & body.keys()} for group, body in bodies.items()}
    return {group: Draft(**{**body, "flags": tuple(body.get("flags", ()))}) for group, body in known.items()}
