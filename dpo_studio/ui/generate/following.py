"""Which prompt's answers are shown, and how the view follows what is being written."""

from __future__ import annotations

from PySide6.QtCore import QObject

from dpo_studio.core.types import Group, PromptId
from dpo_studio.store import Project, prompt_states, prompts
from dpo_studio.ui.context import Context
from dpo_studio.ui.prompt_list.table import PromptTable

from .answer_view import AnswerView
from .answering import Answering, about_model
from .notes import notes_on
from .progress import candidates_of
from .sources import is_labelled, is_mixed, sources_of
from .thread import TokenBurst

_COVERED = (
    "Written so far: {written} of {size} answers. They come from several models and stay covered here until you have"
    " labelled them, so that you do not see whose they are."
)
_NOTHING = "Answers appear here. Choose a prompt to read those it has."


class Follower(QObject):
    """Shows one prompt's newest group in the view.

    Attributes:
        shown: the prompt that is shown, or None.
        follows: whether the view goes on by itself to what is written next; not after a person chose a prompt.
    """

    def __init__(
        self, context: Context, answering: Answering, *, table: PromptTable, view: AnswerView, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._context, self._answering, self._table, self._view = context, answering, table, view
        self.shown: PromptId | None = None
        self.follows = True
        self._group: int | None = None
        self._uncovered: set[int] = set()
        view.uncover_button.clicked.connect(self.uncover)

    def forget(self) -> None:
        """Another project: nothing is shown yet."""
        self.shown, self._group, self.follows = None, None, True
        self._uncovered.clear()

    def show(self, prompt_id: PromptId | None) -> None:
        """Show a prompt's newest group as it stands."""
        project = self._context.project
        prompt = None if project is None or prompt_id is None else prompts.get_many(project, [prompt_id]).get(prompt_id)
        if project is None or prompt_id is None or prompt is None or prompt.archived:
            self.shown, self._group = None, None
            self._view.show_sentence(_NOTHING)
            return
        self.shown = prompt_id
        group = prompt_states.latest_group(project, prompt_id)
        refusal = self._answering.refused.get(prompt_id, "")
        if group is None:
            self._group = None
            self._view.show_answers(prompt, "", [], refusal=refusal)
            return
        fresh, self._group = group.id != self._group, group.id
        candidates = candidates_of(group)
        for index, candidate in self._answering.live(group.id).items():
            if index < len(candidates):
                candidates[index] = candidate
        seed = (group.sampling or {}).get("seed")
        about = about_model(project, group) + (f"  ·  seed {seed}" if seed is not None else "")
        if self._is_covered(project, group):
            written = sum(candidate.state not in ("waiting", "writing") for candidate in candidates)
            self._view.show_covered(prompt, about, _COVERED.format(written=written, size=len(candidates)), refusal)
            return
        none = bool(refusal) and not group.completions
        told = is_labelled(project, group) or group.id in self._uncovered
        self._view.show_answers(
            prompt,
            about,
            [] if none else candidates,
            sources=sources_of(project, group) if told else (),
            notes=notes_on(group),
            refusal=refusal,
            fresh=fresh,
        )

    def follow(self) -> None:
        """Go to what is being written, and stay with it."""
        self.follows = True
        group = self._answering.current_group
        if group is not None:
            self.show(self._answering.prompt_of(group))

    def take_text(self, burst: TokenBurst) -> None:
        """Newly decoded text: shown where its group is, or gone to when nothing else is being written in view."""
        if burst.group == self._group:
            self.show_candidate(burst.group, burst.candidate)
        elif self.follows and self._shown_is_over():
            prompt = self._answering.prompt_of(burst.group)
            self.show(prompt)
            if prompt is not None:
                self._table.show_row(prompt)

    def show_candidate(self, group: int, index: int) -> None:
        """One answer has come further."""
        live = self._answering.live(group).get(index) if group == self._group else None
        if live is None:
            return
        if not self._view.is_covered:
            self._view.cards.show_candidate(index, live)
        elif live.state != "writing":
            self.show(self.shown)

    def uncover(self) -> None:
        """Show the answers of several models that are covered in the view."""
        if self._group is not None and self._view.is_covered:
            self._uncovered.add(self._group)
            self.show(self.shown)

    def _is_covered(self, project: Project, group: Group) -> bool:
        """Whether reading the answers here would tell whose they are before they are labelled."""
        return is_mixed(group) and group.id not in self._uncovered and not is_labelled(project, group)

    def _shown_is_over(self) -> bool:
        """Whether nothing is being written in the group that is shown."""
        live = self._answering.live(self._group) if self._group is not None else {}
        return not any(candidate.state == "writing" for candidate in live.values())
