"""Before a run: what will be trained, by which method, from which policy, with what settings, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from dpo_studio.core import events
from dpo_studio.core.recommended import Recommendation, recommend
from dpo_studio.core.settings import SettingsError, TrainingSettings
from dpo_studio.core.types import Policy, PolicyId
from dpo_studio.store.runs import TrainingData
from dpo_studio.ui import theme
from dpo_studio.ui.judge.choice import JudgesChoice

from . import wording
from .advanced_form import FIELDS, AdvancedForm
from .estimate_row import EstimateRow
from .estimates import Measured, measured_sentence, parameters_of, time_sentence
from .method_choice import MethodChoice
from .reasons import reasons_text
from .trains_choice import TrainsChoice
from .warnings_row import WarningsRow

COLUMN_WIDTH = 760
QWIDGETSIZE_MAX = 16_777_215


class SetupView(QScrollArea):
    """The form of a new run. It knows no project: the page gives it the data and takes the settings.

    Signals:
        train_asked: the button was pressed and the settings are good (`settings()` and `policy_id()`).
        planned: `plan` is another one, or none.
        page_wanted: (name) the way out of an empty state.
    """

    train_asked = Signal()
    planned = Signal()
    page_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._data: TrainingData | None = None
        self._used = TrainingData((), (), 0)
        self._refusal = ""
        self._measured: Sequence[Measured] = ()
        self._policies: dict[int, Policy] = {}
        self._recommendation: Recommendation = recommend(1)
        self._method_chosen = False
        self.no_labels = wording.EMPTY_NO_LABELS  # what to say where nothing is ranked, see `wording.empty_state`
        self._planned: TrainingSettings | None = None
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._build()
        self.show_data(None)

    # -- what it is given ------------------------------------------------------------------------

    def show_data(self, data: TrainingData | None, measured: Sequence[Measured] = ()) -> None:
        """Show what there is to train on (None without a project) and recommend settings for it."""
        self._data, self._measured = data, measured
        empty = wording.empty_state(data, self.no_labels)
        self._column.setMaximumWidth(COLUMN_WIDTH if empty is None else QWIDGETSIZE_MAX)
        self.form_frame.setVisible(empty is None)
        self.empty_frame.setVisible(empty is not None)
        if empty is not None:
            sentence, button, page = empty
            self.empty_label.setText(sentence)
            self.empty_button.setText(button)
            self.empty_button.setVisible(bool(button))
            self.empty_button.setProperty("page", page)
            return
        assert data is not None
        self.warnings.show_data(data)
        self._recommend()

    def show_policies(self, policies: Sequence[Policy], chosen: PolicyId | None = None) -> None:
        """The policies a run can start from; the chosen one is kept, or else the newest base."""
        keep = chosen if chosen is not None else self.policy_id()
        self._policies = {policy.id: policy for policy in policies}
        self.policy_box.blockSignals(True)
        self.policy_box.clear()
        for policy in policies:
            self.policy_box.addItem(wording.policy_title(policy), policy.id)
        index = self.policy_box.findData(keep)
        self.policy_box.setCurrentIndex(max(0, index))
        self.policy_box.blockSignals(False)
        self._on_policy_changed()

    def policy_id(self) -> PolicyId | None:
        return self.policy_box.currentData()

    @property
    def method(self) -> str:
        return self.choice.method

    def settings(self) -> TrainingSettings:
        """The settings as they stand. Raises SettingsError."""
        return dataclasses.replace(self.advanced.settings(self.method), trains=self.trains.value).validate()

    @property
    def plan(self) -> tuple[Policy, TrainingSettings, TrainingData] | None:
        """What would be trained now, and on what; None where nothing can be."""
        policy = self._policies.get(self.policy_id() or 0)
        return None if self._planned is None or policy is None else (policy, self._planned, self._used)

    def show_estimate(self, found: events.Estimated | None, note: str = "") -> None:
        """Say what the planned run takes: as it was measured, or else as earlier runs let expect."""
        if self._planned is None:
            return
        settings, groups = self._planned, len(self._used.train)
        earlier = time_sentence(settings, groups, self._base(), self._measured)
        time = earlier if found is None else measured_sentence(found)
        self.estimate.setText(f"{wording.steps_sentence(settings, groups)}; {time}. {note}".strip())

    def ask_to_train(self) -> None:
        """What the button does: say what is wrong at the fields, or ask the page to train."""
        if self._data is None or not self._data.train or self._refusal:
            return
        try:
            self.settings()
        except SettingsError as error:
            self.disclosure.setChecked(True)
            self.advanced.show_problems(error.problems)
            first = self.advanced.fields.get(error.problems[0].field)
            if first is not None:
                first.setFocus()
                # Once the form that was just opened has its place.
                QTimer.singleShot(0, lambda: self.ensureWidgetVisible(first, 50, 80))
            return
        self.reason.hide()
        self.train_asked.emit()

    # -- building --------------------------------------------------------------------------------

    def _build(self) -> None:
        column = self._column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_L)
        heading = QLabel("Train")
        heading.setProperty("role", "heading")
        self.judges = JudgesChoice("Learn from")
        layout.addWidget(heading)
        layout.addWidget(self.judges)
        layout.addWidget(self._build_empty(), 1)
        layout.addWidget(self._build_form(), 1)
        outer = QWidget()
        centred = QHBoxLayout(outer)
        centred.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL)
        centred.addWidget(column, 1)
        centred.addStretch(0)
        self.setWidget(outer)

    def _build_empty(self) -> QWidget:
        self.empty_frame = QWidget()
        self.empty_label = _wrapped("", "subheading")
        self.empty_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty_button = QPushButton()
        self.empty_button.setProperty("role", "primary")
        self.empty_button.clicked.connect(lambda: self.page_wanted.emit(self.empty_button.property("page")))
        layout = QVBoxLayout(self.empty_frame)
        layout.setSpacing(theme.SPACE_L)
        layout.addStretch(1)
        layout.addWidget(self.empty_label)
        layout.addWidget(self.empty_button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(1)
        return self.empty_frame

    def _build_form(self) -> QWidget:
        self.form_frame = QWidget()
        layout = QVBoxLayout(self.form_frame)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SPACE_L)
        layout.addWidget(self._build_start())
        self.choice = MethodChoice()
        self.choice.chosen.connect(self._on_method_chosen)
        layout.addWidget(self.choice)
        self.trains = TrainsChoice()
        self.trains.chosen.connect(self._on_trains_chosen)
        layout.addWidget(self.trains)
        layout.addWidget(self._build_reasons())
        self.disclosure = QToolButton()
        self.disclosure.setText("Advanced settings")
        self.disclosure.setCheckable(True)
        self.disclosure.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.disclosure.setArrowType(Qt.ArrowType.RightArrow)
        self.disclosure.toggled.connect(self._on_disclosed)
        layout.addWidget(self.disclosure, 0, Qt.AlignmentFlag.AlignLeft)
        self.advanced_card = _card()
        self.advanced = AdvancedForm()
        self.advanced.edited.connect(self._on_edited)
        self.advanced_card.layout().addWidget(self.advanced)
        self.advanced_card.hide()
        layout.addWidget(self.advanced_card)
        layout.addStretch(1)
        return self.form_frame

    def _build_start(self) -> QFrame:
        card = _card()
        self.data_label = _wrapped("", "subheading")
        self.warnings = WarningsRow()
        self.warnings.quality_wanted.connect(lambda: self.page_wanted.emit("quality"))
        self.policy_box = QComboBox()
        self.policy_box.setAccessibleName("Start from")
        self.policy_box.setMinimumWidth(260)
        self.policy_box.currentIndexChanged.connect(self._on_policy_changed)
        label = QLabel("Start from")
        label.setBuddy(self.policy_box)
        self.policy_note = _wrapped("", "muted")
        self.reason = _wrapped("")
        self.reason.hide()
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_M)
        row.addWidget(label)
        row.addWidget(self.policy_box)
        row.addStretch(1)
        self.train_button = QPushButton("Train")
        self.train_button.setProperty("role", "primary")
        self.train_button.setMinimumWidth(120)
        self.train_button.setAccessibleDescription("Starts training with the settings shown")
        self.train_button.clicked.connect(self.ask_to_train)
        self.estimate_row = EstimateRow()
        self.estimate = self.estimate_row.label
        start = QHBoxLayout()
        start.setSpacing(theme.SPACE_L)
        start.addWidget(self.train_button)
        start.addWidget(self.estimate_row, 1)
        layout = card.layout()
        layout.addWidget(self.data_label)
        layout.addWidget(self.warnings)
        layout.addLayout(row)
        layout.addWidget(self.policy_note)
        layout.addWidget(self.reason)
        layout.addLayout(start)
        return card

    def _build_reasons(self) -> QFrame:
        card = _card()
        top = QHBoxLayout()
        self.reasons_title = QLabel("Recommended for your labels")
        self.reasons_title.setProperty("role", "subheading")
        self.reset_button = QPushButton("Reset to recommended")
        self.reset_button.setProperty("role", "ghost")
        self.reset_button.clicked.connect(self.reset)
        keeps_its_place = self.reset_button.sizePolicy()
        keeps_its_place.setRetainSizeWhenHidden(True)
        self.reset_button.setSizePolicy(keeps_its_place)
        top.addWidget(self.reasons_title)
        top.addStretch(1)
        top.addWidget(self.reset_button)
        self.reasons = _wrapped("")
        self.reasons.setTextFormat(Qt.TextFormat.RichText)
        self.changes = _wrapped("", "warning")
        card.layout().addLayout(top)
        card.layout().addWidget(self.reasons)
        card.layout().addWidget(self.changes)
        return card

    # -- what follows what -----------------------------------------------------------------------

    def reset(self) -> None:
        """Take the recommended method and settings again."""
        self._method_chosen = False
        self.trains.choose("lora")
        self._recommend(keep_edits=False)
        self.reason.hide()

    def take(self, settings: TrainingSettings, reason: str) -> None:
        """Show these settings, and above the button why."""
        self._method_chosen = True
        self.choice.set_method(settings.method)
        self.trains.choose(settings.trains)
        self._recommend(keep_edits=False)
        self.advanced.take(settings)
        self.reason.setText(reason)
        self.reason.show()

    def _recommend(self, *, keep_edits: bool = True) -> None:
        if self._data is None or not self._data.train:
            return
        base = self._base()
        self._recommendation = recommend(
            len(self._data.for_method(self.method).train if self._method_chosen else self._data.train),
            parameters=parameters_of(base, self._measured),
            ranked=self._data.largest_k > 2,
            trains=self.trains.value,
        )
        if not self._method_chosen:
            self.choice.set_method(self._recommendation.settings.method)
        self._show_method(keep_edits=keep_edits)

    def _show_method(self, *, keep_edits: bool) -> None:
        """The method's own advice, fields and data."""
        assert self._data is not None
        advice = self._recommendation.for_method(self.method)
        self._used = self._data.for_method(self.method)
        self._refusal = wording.why_refused(self._used, self.method)
        self.advanced.set_method(self.method, trains=self.trains.value)
        self.advanced.fill(advice.settings, keep_edits=keep_edits)
        self.reasons.setText(reasons_text(advice))
        self.data_label.setText(wording.data_sentence(self._used))
        self.choice.show_problem(self._refusal)
        self.trains.show_size(parameters_of(self._base(), self._measured))

    def _base(self) -> str:
        policy = self._policies.get(self.policy_id() or 0)
        return policy.base if policy else "starter"

    def _on_policy_changed(self) -> None:
        policy = self._policies.get(self.policy_id() or 0)
        trained = policy is not None and policy.adapter is not None
        self.policy_note.setText(
            "Another round: the adapter goes on learning, measured against a frozen copy of itself." if trained else ""
        )
        self.policy_note.setVisible(trained)
        self.train_button.setEnabled(policy is not None)
        self._recommend()

    def _on_trains_chosen(self, _: str) -> None:
        self._recommend()
        self._on_edited()

    def _on_method_chosen(self) -> None:
        self._method_chosen = True
        self._recommend()
        self._on_edited()

    def _on_disclosed(self, shown: bool) -> None:
        self.disclosure.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.advanced_card.setVisible(shown)

    def _on_edited(self) -> None:
        recommended = self._recommendation.settings
        names = {field.name: field.label.lower() for field in FIELDS}
        changed = [names[name] for name in self.advanced.changed()]
        if self.method != recommended.method:
            changed.insert(0, "method")
        if self.trains.value != "lora":
            changed.insert(0, "what is trained")
        self.changes.setText(f"You changed: {', '.join(changed)}." if changed else "")
        self.changes.setVisible(bool(changed))
        self.reset_button.setVisible(bool(changed))
        self._planned = None
        self._plan()
        self.planned.emit()

    def _plan(self) -> None:
        """Take the settings as the plan, or say why they are none."""
        if self._data is None or not self._data.train:
            return
        try:
            settings = self.settings()
        except SettingsError as error:
            self.advanced.show_problems(error.problems)
            self.estimate.setText("Some settings below cannot be used yet.")
            return
        self.advanced.show_problems(())
        if self._refusal:
            self.estimate.setText("The method cannot use these rankings; see below.")
            return
        self._planned = settings
        self.show_estimate(None)


def _card() -> QFrame:
    card = QFrame()
    card.setProperty("role", "card")
    layout = QVBoxLayout(card)
    layout.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
    layout.setSpacing(theme.SPACE_M)
    return card


def _wrapped(text: str, role: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    if role:
        label.setProperty("role", role)
    return label
