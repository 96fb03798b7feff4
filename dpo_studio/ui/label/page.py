"""The Label page: one item at a time, answered by keys, saved before the next one shows.

What a key means is in `keys` and `order_entry`, what is saved in `session`; here they meet the widgets.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractButton, QApplication, QVBoxLayout, QWidget

from dpo_studio.core.errors import UserError
from dpo_studio.core.types import Ranking
from dpo_studio.store import rankings
from dpo_studio.ui.context import Context
from dpo_studio.ui.judge.desk import JudgeDesk
from dpo_studio.ui.page import KeyHelp, Page

from . import drops, keys, writers
from .asides import Asides
from .bench import Bench
from .head import ACTIONS, ALWAYS, KEY_HELP, palette_actions
from .item import Item
from .item_actions import ItemActions
from .order_entry import Response
from .presence import Presence
from .queueing import Queueing
from .reviewing import Reviewing
from .saving import WAITS, Saving, not_saved
from .session import Session
from .stopwatch import Stopwatch
from .taking_back import TakingBack
from .viewing import VIEW_ACTIONS, VIEW_HELP, VIEWS
from .what_now import what_now, what_was_done

_SCROLL_PAGES = {"up": -0.2, "down": 0.2, "page_up": -0.9, "page_down": 0.9}
_ACTION_OF_KEY = {key.lower(): name for name, _words, _tip, key in (*ACTIONS, *VIEW_ACTIONS)}


class LabelPage(Page):
    """Where answers are compared."""

    name = "label"
    title = "Label"

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(context, parent)
        self.session: Session | None = None
        self._announcing = False
        self._unannounced = False
        self._given: Ranking | None = None
        self.stopwatch = Stopwatch()
        presence = Presence(self)
        presence.shown.connect(self._on_shown)
        presence.back.connect(self._on_back)
        presence.away.connect(self.stopwatch.pause)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._after = QTimer(self, singleShot=True, interval=0)
        self._after.timeout.connect(self._catch_up)
        context.project_changed.connect(self._on_project_changed)
        for news in (context.groups_changed, context.prompts_changed):
            news.connect(self._on_groups_changed)
        context.rankings_changed.connect(self._on_rankings_changed)

    def build(self) -> None:
        bench = self.bench = Bench(self.run)
        self.asides = Asides(self.context, bench, lambda: self.item, self.setFocus)
        self.item_actions = ItemActions(bench, self.asides)
        self.queueing = Queueing(
            self.context,
            bench,
            lambda: self.session,
            changed=self._on_queue_changed,
            begin=self._start,
            give_back=self.setFocus,
        )
        self.judges = JudgeDesk(self.context, self, self.setFocus, place=bench.put_above_history)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(bench)
        self.saving = Saving(lambda: self.session, self)
        self.saving.saved.connect(self._on_saved)
        self.saving.waits.connect(self._say_waiting)
        self.saving.refused.connect(self._on_refused)
        self.saving.drafts_refused.connect(self.context.complain)
        self.asides.changed.connect(self.saving.keep_drafts_soon)
        self.taking_back = TakingBack(self.context, lambda: self.session, self._show_undone)
        self.reviewing = Reviewing(
            self.context, bench, lambda: self.session, show=self._show_again, leave=self._back_to_queue
        )
        self._palette = palette_actions(self.run, self)
        bench.stack.chosen.connect(self._on_chosen)
        bench.stack.empty.wanted.connect(self.context.page_wanted)
        bench.dragging.dropped.connect(self._on_dropped)
        bench.order_bar.tray.pressed.connect(self._on_chosen)
        bench.order_bar.save_wanted.connect(self._on_save_wanted)
        bench.link.closed.connect(self.setFocus)
        bench.history.wanted.connect(self._on_history)
        self._start()

    # What the window asks.

    def badge(self) -> str:
        if self.context.project is None:
            return ""
        left = rankings.counts(self.context.project).left
        return f"{left:,} left" if left else ""

    def key_help(self) -> list[KeyHelp]:
        return [*KEY_HELP, *VIEW_HELP]

    def actions_for_palette(self) -> list[QAction]:
        return [*self._palette, *self.reviewing.bar.actions_now(), *self.judges.actions] if self.built else []

    def leave(self) -> None:
        self.stopwatch.pause()
        if self.built:
            self.asides.leave()
            self.saving.settle()

    def undo(self) -> None:
        """Take back the last label and show its item again."""
        if self.built and self.saving.pending:
            self._say_waiting()
        elif self.built:
            self.taking_back.label()

    def _show_undone(self, sentence: str) -> None:
        """The item of a label that was taken back comes on screen; what was there keeps its time."""
        assert self.session is not None
        aside = self.bench.stack.item
        if aside is not None:
            aside.seconds += self.stopwatch.seconds
        self._unannounced, self._given = True, None
        self._show(self.session.item)
        self.bench.order_bar.say(sentence)
        self._after.start()

    def run(self, action: str) -> None:
        """Do one of the actions of `head.ACTIONS`."""
        if self.saving.pending and action not in VIEWS:
            self._say_waiting()
        elif action in ALWAYS:
            {"undo": self.undo, "order": self.queueing.ask_order, "annotator": self.queueing.ask_people}[action]()
        elif action in VIEWS:
            self.bench.order_bar.say(self.bench.view_as(action) or self._what_now())
        elif self.item is not None and action in ("skip", "all_bad"):
            self._save(action)
        elif self.item is not None:
            self.item_actions.run(action, self.item)

    @property
    def item(self) -> Item | None:
        return self.session.item if self.session is not None else None

    # Keys.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        focus = QApplication.focusWidget()
        if not self.built or keys.is_typing(focus):
            event.ignore()
            return
        self.stopwatch.resume()  # whoever presses keys is here, whatever the window manager says
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo()
            return
        pressed = keys.read(event)
        if pressed is None:
            event.ignore()
        elif pressed.name in ("enter", "space") and isinstance(focus, QAbstractButton):
            focus.click()
        elif not (event.isAutoRepeat() and pressed.name not in _SCROLL_PAGES):
            if not self._on_pressed(pressed):
                event.ignore()

    def _on_pressed(self, pressed: keys.Pressed) -> bool:
        """Do what a key says; False when it says nothing here."""
        action = _ACTION_OF_KEY.get(pressed.name)
        if action is not None and (self.item is not None or action in ALWAYS):
            self.run(action)
            return True
        if pressed.name == "escape":
            return self._on_escape()
        if self.saving.pending and pressed.name not in _SCROLL_PAGES:
            self._say_waiting()
            return True
        if pressed.name == "backspace" and self.taking_back.last_step():
            return True
        if self.item is None:
            return False
        entry = self.item.entry
        if pressed.name == "number":
            self._on_response(entry.press(pressed.number - 1, strong=pressed.shift))
        elif pressed.name in ("left", "right"):
            if not entry.is_pair:
                return self.bench.stack.view.grid.scroll_sideways(0.4 if pressed.name == "right" else -0.4)
            self._on_response(entry.press(int(pressed.name == "right"), strong=pressed.shift))
        elif pressed.name == "=":
            self._on_response(entry.tie())
        elif pressed.name == "enter":
            self._on_enter()
        elif pressed.name == "backspace":
            self._on_response(entry.take_back())
        elif pressed.name in _SCROLL_PAGES:
            self.bench.stack.view.grid.scroll(_SCROLL_PAGES[pressed.name])
        else:
            return False
        return True

    def _on_enter(self) -> None:
        assert self.item is not None
        if self.item.changed:
            kept = self.item.earlier is not None and self.item.entry.is_earlier and not self.item.written
            if kept and self.item.earlier.kind != "ranking":
                self._save(self.item.earlier.kind)
            else:
                self._on_response(self.item.entry.finish())
        elif not self.reviewing.bar.go_on():
            self._back_to_queue()

    def _on_escape(self) -> bool:
        if self.saving.give_up():
            self.bench.order_bar.say("Not saved. Give the label again.", warning=True)
        elif self.bench.dragging.cancel():
            self.bench.order_bar.say(self._what_now())
        elif self.bench.link.isVisible():
            self.bench.link.close_banner()
        elif self.reviewing.active:
            self.reviewing.bar.end()
        elif self.item is not None and self.item.earlier is not None:
            self._back_to_queue()
        elif not self.hasFocus():
            self.setFocus()
        else:
            return False
        return True

    def _on_chosen(self, position: int) -> None:
        self.setFocus()
        if (item := self._changeable()) is not None:
            self._on_response(item.entry.press(position))

    def _on_dropped(self, position: int, target: drops.Target, strong: bool) -> None:
        self.setFocus()
        if (item := self._changeable()) is not None:
            self._on_response(item.entry.drop(position, target, strong=strong))

    def _on_save_wanted(self) -> None:
        self.setFocus()
        if self._changeable():
            self._on_enter()

    def _changeable(self) -> Item | None:
        """The item on screen, unless its label is being saved."""
        if self.saving.pending:
            self._say_waiting()
            return None
        return self.item

    def _say_waiting(self) -> None:
        self.bench.order_bar.say(WAITS, warning=True)

    def _on_response(self, response: Response) -> None:
        self.bench.show_order(self.item)
        if response.done:
            self._save("ranking")
        else:
            self.bench.order_bar.say(response.hint or self._what_now(), warning=bool(response.hint))

    # Saving and moving on.

    def _save(self, kind: str) -> None:
        assert self.session is not None
        if self.queueing.must_ask(lambda: self._save(kind)):
            self.stopwatch.pause()
            return
        self.saving.save(kind, self.stopwatch.seconds)

    def _on_refused(self, error: UserError) -> None:
        self.bench.order_bar.say(not_saved(self.item), warning=True)
        self.context.complain(error)

    def _on_saved(self, saved: Ranking) -> None:
        assert self.session is not None
        self._unannounced, self._given = True, saved
        self.bench.note_given()
        self._show(self.session.item)
        self.bench.order_bar.say("   ·   ".join(filter(None, (what_was_done(self.session, saved), self._what_now()))))
        self._after.start()
        self.reviewing.bar.note_saved(saved.group_id)

    def _back_to_queue(self) -> None:
        assert self.session is not None
        self._show(self.session.back_to_queue())

    def _show(self, item: Item | None) -> None:
        if item is None:
            self.bench.show_empty(self.context.project)
        else:
            self.bench.show_item(item, writers.told(self.context.project, item))
            self.bench.head.show_sureness(item.confidence)
        self.bench.order_bar.say(self._what_now())
        self.stopwatch.restart()
        if not self.isVisible():
            self.stopwatch.pause()
        if self.isVisible():
            self.setFocus()

    def _catch_up(self) -> None:
        """What can wait until the next item is on screen: the item after it, numbers, history, other pages."""
        if self.session is None:
            return
        upcoming = self.session.upcoming() if self.item is not None else None
        if upcoming is not None:
            self.bench.stack.prepare(upcoming)
        self.bench.show_numbers(self.context.project, self.item)
        if self._unannounced:
            self.judges.labelled(self._given)
            self._unannounced, self._announcing = False, True
            try:
                self.context.rankings_changed.emit()
            finally:
                self._announcing = False
        self.badge_changed.emit()

    def _what_now(self) -> str:
        return what_now(self.item, reviewing=self.reviewing.active)

    def _on_history(self, ranking: Ranking) -> None:
        assert self.session is not None
        session = self.session
        self._show_again(lambda: session.revisit(ranking))

    def _show_again(self, visit: Callable[[], Item]) -> None:
        """Show an item out of its turn; what is on screen keeps its time."""
        if self.saving.pending:
            self._say_waiting()
            return
        if self.item is not None:
            self.item.seconds += self.stopwatch.seconds
        self._show(visit())

    # News.

    def _start(self) -> None:
        """Begin with the open project, or with none."""
        self.queueing.recognise()
        project = self.context.project
        self.session = Session(project) if project is not None else None
        self.bench.forget()
        self.reviewing.bar.forget()
        self.queueing.refresh()
        self._show(self.session.begin() if self.session is not None else None)
        self.bench.show_numbers(self.context.project, self.item)
        if self.session is not None:
            self._after.start()

    def _on_queue_changed(self) -> None:
        """Something else comes next; what is on screen stays."""
        assert self.session is not None
        if self.bench.stack.view.item is not self.item:
            self._show(self.item)
        self._after.start()

    def _on_project_changed(self) -> None:
        if self.built:
            self.saving.give_up()
            self._start()
        self.badge_changed.emit()

    def _on_groups_changed(self) -> None:
        if self.built and self.session is not None:
            if self.item is None:
                self.session.refresh()
                self._show(self.item)
            self.bench.show_numbers(self.context.project, self.item)
        self.badge_changed.emit()

    def _on_rankings_changed(self) -> None:
        if not self._announcing:
            self._on_groups_changed()

    # Focus and time.

    def _on_shown(self) -> None:
        self.setFocus()
        if self.built:
            self.queueing.refresh()  # comparisons may have come since
        self._on_back()

    def _on_back(self) -> None:
        """The page is looked at again: what is on screen may have been labelled or archived elsewhere meanwhile."""
        self.stopwatch.resume()
        if self.built and self.session is not None and not self.saving.pending:
            if why := self.session.look_elsewhere():
                self._show(self.session.item)
                self.bench.order_bar.say(f"The one before {why}.   ·   {self._what_now()}")
                self._after.start()
