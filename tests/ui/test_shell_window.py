"""The window around the pages: rail, welcome, palette, keys, undo, remembering, closing."""

import shutil

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel

from dpo_studio.core.errors import UserError
from dpo_studio.store import Project, policies
from dpo_studio.ui import closing, projects
from dpo_studio.ui.job_board import Job
from dpo_studio.ui.main_window import MainWindow
from dpo_studio.ui.page_registry import PageSource
from dpo_studio.ui.settings_store import SettingsStore
from dpo_studio.ui.status_bar import time_left_in_words

PAGES = (PageSource("tests.ui.shell_pages", "OnePage"), PageSource("tests.ui.shell_pages", "OtherPage"))


@pytest.fixture
def make_window(qtbot, tmp_path, light):
    made = []

    def make(sources=PAGES):
        window = MainWindow(SettingsStore(), page_sources=sources, documents=tmp_path / "documents")
        made.append(window)
        qtbot.addWidget(window)
        window.show()
        qtbot.waitExposed(window)
        window.activateWindow()
        return window

    yield make
    for window in made:
        window.context.open(None)


@pytest.fixture
def folder(tmp_path):
    Project.create(tmp_path / "Kind answers").close()
    return tmp_path / "Kind answers"


@pytest.fixture
def window(make_window, folder):
    window = make_window()
    assert window.open_project(folder)
    return window


class SlowJob(Job):
    def start(self):
        self.report(progress=0.25, time_left_s=90, detail="1/4")

    def cancel(self):
        self.finish()


def test_the_rail_has_the_pages_in_order_with_what_waits(window):
    assert [button.page_name for button in window.rail.buttons] == ["one", "other"]
    assert [button.badge for button in window.rail.buttons] == ["12 left", ""]
    assert window.rail.buttons[0].accessibleName() == "First, 12 left"
    window.pages[0].waits = "11 left"
    window.pages[0].badge_changed.emit()
    assert window.rail.buttons[0].badge == "11 left"


def test_in_a_narrow_window_the_rail_is_its_pictures(window, qtbot):
    wide = window.rail.width()
    button = window.rail.buttons[0]
    assert button.toolTip() == "Ctrl+1"
    window.resize(720, 480)
    qtbot.waitUntil(lambda: window.rail.width() < wide / 2)
    qtbot.waitUntil(lambda: window.stack.width() > 640)
    assert button.toolTip() == "First, 12 left (Ctrl+1)" and button.accessibleName() == "First, 12 left"
    window.pages[0].waits = "11 left"
    window.pages[0].badge_changed.emit()
    assert button.toolTip() == "First, 11 left (Ctrl+1)"
    window.resize(1240, 820)
    qtbot.waitUntil(lambda: window.rail.width() == wide)
    assert button.toolTip() == "Ctrl+1"


def test_tab_goes_into_the_page_that_was_gone_to(window, qtbot):
    window.show_page("other")
    window.show_page("one")
    assert window.pages[0].hasFocus()
    qtbot.keyClick(window.pages[0], Qt.Key.Key_Tab)
    assert window.pages[0].isAncestorOf(QApplication.focusWidget())


def test_a_page_that_is_not_there_or_breaks_is_not_in_the_rail(make_window, folder):
    sources = (
        PageSource("tests.ui.no_such_page", "Page"),
        PageSource("tests.ui.shell_pages", "BrokenPage"),
        PAGES[0],
    )
    window = make_window(sources)
    window.open_project(folder)
    assert [page.name for page in window.pages] == ["one"]
    assert "no page today" in window.messages.error.label.text()


def test_pages_by_key_and_by_click(qtbot, window):
    assert window.current_page.name == "one"
    assert not window.pages[1].built
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert window.current_page.name == "other"
    assert "left" in window.pages[0].did
    qtbot.mouseClick(window.rail.buttons[0], Qt.MouseButton.LeftButton)
    assert window.current_page.name == "one"
    assert [button.isChecked() for button in window.rail.buttons] == [True, False]
    qtbot.mouseClick(window.rail.buttons[0], Qt.MouseButton.LeftButton)
    assert window.rail.buttons[0].isChecked()


def test_welcome_then_the_sample(qtbot, make_window, tmp_path, monkeypatch):
    sample = tmp_path / "bundle" / "sample_data" / "project"
    with Project.create(sample) as project:
        project.set_fact("guideline", "Short answers.")
    (sample / "project.db-wal").unlink(missing_ok=True)
    monkeypatch.setattr("dpo_studio.core.bundled.folder", lambda name: tmp_path / "bundle" / name)
    window = make_window()
    assert window.stack.currentWidget() is window.welcome
    assert window.rail.isHidden()
    window.activateWindow()
    qtbot.keyClick(window.welcome.sample_button, Qt.Key.Key_Return)
    assert window.context.project.folder == tmp_path / "documents" / "Sample"
    assert window.context.project.guideline == "Short answers."
    assert not window.rail.isHidden()
    window.close_project()
    window.open_sample()
    assert window.context.project.folder == tmp_path / "documents" / "Sample 2"


def test_a_missing_sample_is_a_sentence(make_window, tmp_path, monkeypatch):
    def missing(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr("dpo_studio.core.bundled.folder", missing)
    window = make_window()
    assert not window.open_sample()
    assert window.messages.error.label.text().startswith("The sample is missing from this installation.")
    assert window.stack.currentWidget() is window.welcome


def test_a_new_project_is_made_in_place(qtbot, make_window, tmp_path):
    window = make_window()
    qtbot.mouseClick(window.welcome.new_button, Qt.MouseButton.LeftButton)
    form = window.welcome.form
    assert window.welcome.form_shown
    form.folder.setText(str(tmp_path / "Mine"))
    qtbot.keyClicks(form.guideline, "Answers with an example?")
    qtbot.mouseClick(form.create_button, Qt.MouseButton.LeftButton)
    assert window.context.project.folder == tmp_path / "Mine"
    assert window.context.project.guideline == "Answers with an example?"


def test_a_folder_that_holds_something_is_refused_and_the_form_stays(make_window, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("words")
    window = make_window()
    window.menus.new.trigger()
    assert not window.create_project(tmp_path / "full", "")
    assert "is not empty" in window.messages.error.label.text()
    assert window.welcome.form_shown


def test_not_a_project_is_a_sentence_and_the_open_one_stays(window, folder, tmp_path):
    (tmp_path / "plain").mkdir()
    assert not window.open_project(tmp_path / "plain")
    assert "is not a DPO Studio project" in window.messages.error.label.text()
    assert window.context.project.folder == folder


def test_recent_projects_mark_those_that_are_gone(qtbot, make_window, folder, tmp_path):
    gone = tmp_path / "Gone"
    Project.create(gone).close()
    window = make_window()
    window.open_project(gone)
    window.open_project(folder)
    window.close_project()
    shutil.rmtree(gone)
    window._show_project()
    rows = {row.folder.name: row for row in window.welcome.recent_rows}
    assert rows["Gone"].missing and not rows["Gone"].open_button.isEnabled()
    assert not rows["Kind answers"].missing
    rows["Gone"].removed.emit()
    assert [path.name for path in window.settings.recent] == ["Kind answers"]


def test_ctrl_k_runs_an_action_of_the_page(qtbot, window):
    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = window.palette_overlay
    assert palette.isVisible()
    qtbot.keyClicks(palette.field, "answers tidy")
    assert palette.list.topLevelItemCount() == 1
    assert palette.list.topLevelItem(0).text(0) == "Tidy the answers"
    assert palette.list.topLevelItem(0).text(1) == "Ctrl+T"
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "tidied" in window.pages[0].did)
    assert not palette.isVisible()


def test_the_palette_has_every_menu_action_and_the_pages(qtbot, window):
    window.show_palette()
    palette = window.palette_overlay
    names = [palette.list.topLevelItem(i).text(0) for i in range(palette.list.topLevelItemCount())]
    for name in ("Go to: Second", "Theme: Dark", "Open sample", "Keys of this page", "Undo", "Quit", "Larger text"):
        assert name in names
    qtbot.keyClicks(palette.field, "second")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.current_page.name == "other")


def test_esc_closes_the_palette_and_gives_the_focus_back(qtbot, window):
    window.pages[0].field.setFocus()
    window.show_palette()
    qtbot.keyClick(window.palette_overlay.field, Qt.Key.Key_Down)
    assert window.palette_overlay.list.currentIndex().row() == 1
    qtbot.keyClick(window.palette_overlay.field, Qt.Key.Key_Escape)
    assert not window.palette_overlay.isVisible()
    assert QApplication.focusWidget() is window.pages[0].field


def test_question_mark_shows_the_keys_but_not_while_writing(qtbot, window):
    field = window.pages[0].field
    field.setFocus()
    qtbot.keyClick(field, "?")
    assert field.text() == "?"
    assert not window.key_overview.isVisible()
    window.pages[0].button.setFocus()
    qtbot.keyClick(window.pages[0].button, "?")
    assert window.key_overview.isVisible()
    words = {label.text() for label in window.key_overview.findChildren(QLabel)}
    assert {"Keys: First", "1", "←", "Chooses the left answer", "Ctrl+K"} <= words
    qtbot.keyClick(window.key_overview.close_button, "?")
    assert not window.key_overview.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_F1)
    assert window.key_overview.isVisible()


def test_ctrl_z_goes_to_the_page(qtbot, window):
    window.pages[0].button.setFocus()
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.pages[0].did == ["undone"]


def test_a_page_with_its_own_ctrl_z_keeps_it(qtbot, window):
    window.show_page("other")
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.pages[1].undone == 1
    window.show_page("one")
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.pages[0].did[-1] == "undone"


def test_it_opens_where_the_person_left_off(qtbot, make_window, folder):
    first = make_window()
    first.open_project(folder)
    first.show_page("other")
    first.resize(760, 560)
    with qtbot.waitSignal(first.closed):
        first.close()
    second = make_window()
    second.open_last()
    assert second.context.project.folder == folder
    assert second.current_page.name == "other"
    assert (second.width(), second.height()) == (760, 560)


def test_a_last_project_that_is_gone_leaves_the_welcome_page(make_window, folder):
    window = make_window()
    window.open_project(folder)
    window.context.open(None)
    shutil.rmtree(folder)
    window.open_last()
    assert window.stack.currentWidget() is window.welcome
    assert window.messages.isHidden()


def test_jobs_in_the_status_bar(qtbot, window):
    first, second = SlowJob("generating"), SlowJob("training Run 2")
    window.context.jobs.submit(first)
    window.context.jobs.submit(second)
    strips = list(window.status._strips.values())
    assert strips[0].label.text() == "generating 1/4"
    assert strips[0].left.text() == "2 min left"
    assert strips[0].bar.value() == 250
    assert strips[1].label.text() == "training Run 2, waiting"
    qtbot.mouseClick(strips[0].cancel_button, Qt.MouseButton.LeftButton)
    assert [job.title for job in window.context.jobs.jobs] == ["training Run 2"]
    assert second.state == "running"
    assert strips[1].label.text() == "training Run 2 1/4"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s left"), (59, "59 s left"), (95, "2 min left"), (3900, "1 h 05 left")]
)
def test_time_left_in_words(seconds, words):
    assert time_left_in_words(seconds) == words


def test_the_status_bar_names_the_model_and_the_device(window):
    policies.add(window.context.project, "HuggingFaceTB/SmolLM2-135M-Instruct")
    window.context.policies_changed.emit()
    assert window.status.model.text() == "SmolLM2-135M-Instruct · round 0"
    policies.add(
        window.context.project, "openai:http://localhost:8000/v1#big", name="owner/big at http://localhost:8000/v1"
    )
    window.context.policies_changed.emit()
    assert window.status.model.text() == "big · round 0"
    window.context.tell_device("cpu", "bfloat16")
    assert window.status.device.text() == "CPU bf16"


def test_closing_ends_generation_and_leaves_training(qtbot, window):
    generating, training = SlowJob("generating"), SlowJob("training Run 1")
    training.cancel = lambda: pytest.fail("closing the window must not stop training")
    window.context.jobs.submit(training)
    window.context.jobs.submit(generating)
    with qtbot.waitSignal(window.closed, timeout=2000):
        window.close()
    assert generating.state == "ended"
    assert training.state == "running"
    assert "left" in window.pages[0].did
    assert window.context.project is None


def test_closing_does_not_wait_for_ever(qtbot, window, monkeypatch):
    monkeypatch.setattr(closing, "LONGEST_WAIT_MS", 50)
    stuck = SlowJob("generating")
    stuck.cancel = lambda: None
    window.context.jobs.submit(stuck)
    with qtbot.waitSignal(window.closed, timeout=2000):
        window.close()


def test_another_project_is_not_opened_while_this_one_generates(window, folder, tmp_path):
    Project.create(tmp_path / "Other").close()
    window.context.jobs.submit(SlowJob("generating"))
    assert not window.open_project(tmp_path / "Other")
    assert window.context.project.folder == folder
    assert window.messages.error.label.text() == "This project is still generating. Stop that first, or wait."


def test_long_names_do_not_widen_the_window(qtbot, window):
    policies.add(window.context.project, "someone/" + "a-very-long-model-name-" * 8)
    window.context.policies_changed.emit()
    for number in range(4):
        window.context.jobs.submit(SlowJob(f"training the run with a long name {number}"))
    assert window.minimumSizeHint().width() <= 720
    window.resize(720, 480)
    assert window.width() == 720
    assert "and 1 more" in window.status._more.text()


def test_free_folder_counts_up(tmp_path):
    assert projects.free_folder(tmp_path, "Sample") == tmp_path / "Sample"
    (tmp_path / "Sample").mkdir()
    (tmp_path / "Sample 2").mkdir()
    assert projects.free_folder(tmp_path, "Sample") == tmp_path / "Sample 3"


def test_a_project_is_opened_by_its_database_too(folder):
    with projects.open_project(folder / "project.db") as project:
        assert project.folder == folder
    with pytest.raises(UserError):
        projects.open_project(folder / "nothing")
