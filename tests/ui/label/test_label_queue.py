"""The order of the queue, repeats and the person on the Label page, driven by keys."""

import sqlite3

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, completions, policies, rankings, repeats, scores
from dpo_studio.ui.job_board import Job
from dpo_studio.ui.label import keys, queueing, scoring
from dpo_studio.ui.label.queue_notice import NO_DISPUTE
from dpo_studio.ui.settings_store import SettingsStore
from tests.groups import add_group
from tests.ui.label.by_keys import press

KEY = Qt.Key


@pytest.fixture
def context(context):
    for number in range(8):
        add_group(context.project, f"prompt {number}", 2)
    return context


def trained(project, number=1):
    """A policy that a run made, without the run's folder."""
    base = policies.add(project, "starter", name="Starter")
    name, folder = f"Run {number}", f"runs/{number}"
    made = policies.add(project, "starter", name=f"Starter + {name}", adapter=f"{folder}/adapter", parent_id=base.id)
    project.db.conn.execute(
        "INSERT INTO runs (uuid, name, folder, policy_id, result_policy_id, settings, created)"
        " VALUES (?, ?, ?, ?, ?, '{}', '2026')",
        [folder, name, folder, base.id, made.id],
    )
    return made


def words(page):
    return page.bench.notice.text.text() if page.bench.notice.isVisible() else ""


def test_the_order_is_chosen_by_keys_holds_and_is_remembered(open_page, context, qtbot, tmp_path):
    page = open_page()
    assert page.bench.head.buttons["order"].text() == "Next: as imported"
    press(page, KEY.Key_O)
    qtbot.waitUntil(page.bench.order_menu.isVisible)
    press(page, KEY.Key_2)
    assert page.bench.head.buttons["order"].text() == "Next: random"
    assert page.item.group.id == 1, "what is on screen stays"
    seen = []
    while page.item is not None:
        seen.append(page.item.group.id)
        press(page, KEY.Key_1)
        if len(seen) == 4:
            context.open(None)
            context.open(Project.open(tmp_path / "p"))
            expected = page.session.upcoming_groups._line
            rest = [page.item.group.id, *expected]
    assert sorted(seen) == [1, 2, 3, 4, 5, 6, 7, 8] and seen != sorted(seen)
    assert seen[4:] == rest, "the same order after opening again"


def test_the_menus_numbers_are_places_on_the_keyboard(open_page, qtbot, monkeypatch):
    """On a French keyboard the key of 2 gives é without Shift."""
    monkeypatch.setattr(keys.QGuiApplication, "platformName", lambda: "xcb")
    page = open_page()
    press(page, KEY.Key_O)
    qtbot.waitUntil(page.bench.order_menu.isVisible)
    none = Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(page.bench.order_menu, QKeyEvent(QEvent.Type.KeyPress, KEY.Key_Eacute, none, 11, 0, 0, "é"))
    assert page.bench.head.buttons["order"].text() == "Next: random" and not page.bench.order_menu.isVisible()
    press(page, KEY.Key_F)
    qtbot.waitUntil(page.bench.flags.isVisible)
    QApplication.sendEvent(page.bench.flags, QKeyEvent(QEvent.Type.KeyPress, KEY.Key_Ampersand, none, 10, 0, 0, "&"))
    assert page.item.flags == ("unsafe",)


def test_an_order_by_information_without_a_trained_model_says_why(open_page, context):
    page = open_page()
    page.queueing.choose_order("informative")
    assert "No model was trained yet" in words(page) and "rewards are zero" in words(page)
    assert not page.bench.notice.buttons["score"].isVisible()
    press(page, KEY.Key_1)
    assert page.item.group.id == 2, "it goes on as imported"
    page.bench.notice.buttons["random"].click()
    assert words(page) == "" and page.bench.head.buttons["order"].text() == "Next: random"


def test_scores_order_what_comes_and_more_can_be_asked_for(open_page, context):
    policy = trained(context.project)
    scores.keep(context.project, policy.id, {4: 0.5, 7: 0.01, 3: 0.2})
    page = open_page()
    page.queueing.choose_order("informative")
    assert words(page).startswith("3 of 8 are scored under Starter + Run 1")
    assert page.bench.notice.buttons["score"].text() == "Score more"
    seen = []
    while page.item is not None:
        seen.append(page.item.group.id)
        press(page, KEY.Key_2)
    assert seen == [1, 7, 3, 4, 2, 5, 6, 8], "by the gap, then what has no score as imported"


def test_the_scores_of_a_model_order_nothing_once_another_is_the_current_one(open_page, context):
    old = trained(context.project)
    scores.keep(context.project, old.id, {4: 0.5, 7: 0.01})
    page = open_page()
    page.queueing.choose_order("informative")
    new = trained(context.project, 2)
    context.policies_changed.emit()
    assert "no score under Starter + Run 2 yet" in words(page)
    press(page, KEY.Key_1)
    assert page.item.group.id == 2, "as the line above says: as imported"
    scores.keep(context.project, new.id, {5: 0.2})
    page.queueing.choose_order("informative")
    add_group(context.project, "late", 2)
    page.hide()
    page.show()
    assert words(page).startswith("1 of 8 are scored"), "what came while another page was shown is counted"


class FakeThread:
    """Stands for the command's thread: the test says how it ends."""

    def __init__(self, arguments):
        from dpo_studio.ui.exchange.commands import CommandThread

        self.real = CommandThread(arguments)
        self.answered, self.refused, self.heard = self.real.answered, self.real.refused, self.real.heard
        self.stopped = False

    def start(self):
        pass

    def stop(self):
        self.stopped = True
        self.refused.emit(UserError("This was stopped before it was done."))


@pytest.fixture
def threads(monkeypatch):
    made = []

    def start(_self, arguments):
        made.append((list(arguments), FakeThread(arguments)))
        return made[-1][1]

    monkeypatch.setattr(scoring.Commands, "start", start)
    return made


def test_scores_are_computed_in_a_process_while_one_labels_on(open_page, context, threads):
    policy = trained(context.project)
    page = open_page()
    page.queueing.choose_order("informative")
    assert "no score under Starter + Run 1 yet" in words(page)
    page.bench.notice.buttons["score"].click()
    (arguments, thread), job = threads[0], page.queueing.job
    assert arguments == ["score", "--follow", "--limit", "500", "--", str(context.project.folder)]
    assert context.jobs.running is job and job.title == "scoring comparisons"
    thread.heard.emit({"progress": None, "doing": "loading the model"})
    assert words(page) == "Scoring with Starter + Run 1: loading the model… You can go on labelling."
    assert (job.detail, job.progress) == ("loading the model", None), "a minute at 0 of 500 looks like nothing"
    press(page, KEY.Key_1)
    assert page.item.group.id == 2
    scores.keep(context.project, policy.id, {6: 0.1, 5: 0.2})
    job._look()
    assert words(page) == "Scoring with Starter + Run 1: 2 of 8. You can go on labelling."
    assert (job.detail, job.progress) == ("2/8", 0.25)
    thread.answered.emit({"scored": 2})
    assert page.queueing.job is None and words(page).startswith("2 of 7 are scored")
    press(page, KEY.Key_1)
    assert page.item.group.id == 6


def test_scoring_can_be_stopped_and_a_refusal_is_told(open_page, context, threads, qtbot):
    trained(context.project)
    page = open_page()
    page.queueing.choose_order("informative")
    said = []
    context.message.connect(lambda text, level: said.append((text, level)))
    page.queueing.score()
    page.bench.notice.buttons["stop"].click()
    assert threads[0][1].stopped and page.queueing.job is None and said == []
    page.queueing.score()
    threads[1][1].refused.emit(UserError("The adapter is gone.", "Train it again."))
    assert said == [("The adapter is gone. Train it again.", "error")]
    assert page.queueing.job is None and context.jobs.jobs == []
    page.queueing.score()
    job, thread = page.queueing.job, threads[2][1]
    thread.stop = lambda: None  # the process takes its time to end
    context.open(None)
    thread.heard.emit({"progress": None, "doing": "loading the model"})
    assert not job._timer.isActive(), "a closed project is not asked any more"
    thread.refused.emit(UserError("This was stopped before it was done."))
    assert context.jobs.jobs == [] and len(said) == 1


def test_scoring_waits_for_the_machine(open_page, context, threads):
    class Long(Job):
        def start(self):
            pass

    trained(context.project)
    page = open_page()
    page.queueing.choose_order("informative")
    before = Long("training Run 2")
    context.jobs.submit(before)
    page.queueing.score()
    assert words(page).startswith("Scoring begins when the job before it is done") and threads == []
    before.finish()
    assert len(threads) == 1 and words(page).startswith("Scoring with")


def test_disagreement_first_and_where_there_is_none(open_page, context):
    page = open_page()
    page.queueing.choose_order("disputed")
    assert words(page) == NO_DISPUTE
    group = completions.get_group(context.project, 5)
    rankings.add(context.project, group, ranks=[1, 2], annotator="Ada")
    rankings.add(context.project, group, ranks=[2, 1], annotator="Ben")
    page.queueing.choose_order("disputed")
    assert words(page) == ""
    press(page, KEY.Key_1)
    assert page.item.group.id == 5


def test_repeats_come_back_unmarked_and_are_counted_apart(open_page, context, monkeypatch, qtbot):
    monkeypatch.setattr(repeats, "MIN_LABELS_BETWEEN", 2)
    page = open_page()
    press(page, KEY.Key_O)
    qtbot.waitUntil(page.bench.order_menu.isVisible)
    press(page, KEY.Key_7)  # one in ten
    assert page.session.upcoming_groups.choice.repeats == 10
    page.session.upcoming_groups._left_of_block, page.session.upcoming_groups._until_repeat = 10, 3
    shown = []
    while page.item is not None:
        before = page.badge()
        shown.append(page.item.group)
        told = page.bench.head.numbers.text() + page.bench.order_bar.notice + page.bench.stack.view.accessibleName()
        assert "again" not in told.replace("as before when asked again", "")
        press(page, KEY.Key_1)
        qtbot.waitUntil(lambda: not page._after.isActive())
        if shown[-1].repeat_of is not None:
            assert page.badge() == before
    asked_again = [group for group in shown if group.repeat_of is not None]
    assert len(shown) == 9 and len(asked_again) == 1
    found = repeats.agreement(context.project, "me")
    assert (found.pairs, found.repeats) == (1, 1)
    assert f"{found.same} of 1 as before when asked again" in page.bench.head.numbers.text()


# Who labels.


@pytest.fixture
def nobody(own_settings):
    own_settings.write_text("", encoding="utf-8")


def annotators_stored(context):
    conn = sqlite3.connect(context.project.folder / "project.db")
    rows = conn.execute("SELECT annotator, count(*) FROM rankings GROUP BY annotator ORDER BY 1").fetchall()
    conn.close()
    return rows


def test_the_first_label_on_a_machine_asks_for_a_name_once(nobody, open_page, context, monkeypatch):
    monkeypatch.setattr(queueing, "login_name", lambda: "ada")
    page = open_page()
    page.queueing.choose_order("random")
    assert not page.bench.name.isVisible(), "nothing is asked before a label is given"
    first = page.item
    press(page, KEY.Key_1)
    assert page.bench.name.isVisible() and page.bench.name.field.hasFocus()
    assert page.bench.name.field.text() == "ada" and annotators_stored(context) == [] and page.item is first
    press(page, KEY.Key_2, KEY.Key_Equal, KEY.Key_Space)  # meant for the next label by whoever labels fast
    assert page.bench.name.field.text() == "ada", "no name begins with a key of Label"
    press(page, KEY.Key_B, KEY.Key_2)
    assert page.bench.name.field.text() == "b2", "letters are a name, and after them all is text"
    page.bench.name.field.setText("  Ada  L. ")
    press(page, KEY.Key_Return)
    assert annotators_stored(context) == [("Ada L.", 1)]
    assert page.item is not first and page.hasFocus() and not page.bench.name.isVisible()
    assert page.bench.head.buttons["annotator"].text() == "Labelling as Ada L."
    assert page.bench.head.buttons["order"].text() == "Next: random", "what was chosen before stays"
    press(page, KEY.Key_2)
    assert annotators_stored(context) == [("Ada L.", 2)]
    assert SettingsStore().annotator == "Ada L."


def test_escape_saves_nothing_and_the_name_is_asked_again(nobody, open_page, context):
    page = open_page()
    press(page, KEY.Key_X, KEY.Key_Escape)
    assert annotators_stored(context) == [] and page.hasFocus()
    assert page.bench.order_bar.notice.startswith("Not saved yet")
    press(page, KEY.Key_Space)
    assert page.bench.name.isVisible()
    page.bench.name.field.setText("   ")
    press(page, KEY.Key_Return)
    assert page.bench.name.isVisible() and annotators_stored(context) == []


def test_a_known_name_goes_with_a_new_project_and_old_labels_go_on_as_they_were(
    own_settings, open_page, context, tmp_path
):
    own_settings.write_text("[label]\nannotator=Ada\n", encoding="utf-8")
    rankings.add(context.project, completions.get_group(context.project, 1), ranks=[1, 2])
    page = open_page()
    assert page.bench.head.buttons["annotator"].text() == "Labelling as me" and page.item.group.id == 2
    press(page, KEY.Key_1)
    assert annotators_stored(context) == [("me", 2)]
    new = Project.create(tmp_path / "new")
    add_group(new, "a", 2)
    context.open(new)
    assert page.bench.head.buttons["annotator"].text() == "Labelling as Ada"
    press(page, KEY.Key_1)
    assert annotators_stored(context) == [("Ada", 1)]


def test_another_person_has_a_queue_a_history_and_numbers_of_their_own(open_page, context, qtbot):
    page = open_page()
    press(page, KEY.Key_1, KEY.Key_2, KEY.Key_1)
    page.item.note = "mine alone"
    press(page, KEY.Key_A)
    qtbot.waitUntil(page.bench.people_menu.isVisible)
    press(page, KEY.Key_A)  # "Another person…"
    assert page.bench.name.field.hasFocus() and page.bench.name.field.text() == ""
    page.bench.name.field.setText("Ben")
    press(page, KEY.Key_Return)
    assert context.project.annotator == "Ben" and SettingsStore().annotator == "me"
    assert page.item.group.id == 1 and page.item.note == "" and page.badge() == "8 left"
    assert page.bench.history.rankings == [] and page.hasFocus()
    press(page, KEY.Key_Z)
    assert annotators_stored(context) == [("me", 3)], "nobody undoes another's label"
    press(page, KEY.Key_2)
    press(page, KEY.Key_A)
    qtbot.waitUntil(page.bench.people_menu.isVisible)
    press(page, KEY.Key_2)
    assert context.project.annotator == "me" and page.badge() == "5 left"
    assert page.item.group.id == 4 and page.item.note == "mine alone"
    assert len(page.bench.history.rankings) == 3
