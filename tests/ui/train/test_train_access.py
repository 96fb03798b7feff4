"""Every control of the page by name and by key."""

from __future__ import annotations

from PySide6.QtCore import Qt

from tests.ui.train import stories


def test_every_control_has_a_name_and_is_reached_by_tab(qtbot, open_page, project):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider

    run = stories.new_run(project)
    stories.write(project, run, stories.story(project, run))
    page = open_page(project)
    page.setup.disclosure.setChecked(True)
    for shown in (None, run.id):
        page.show_run(shown)
        qtbot.waitUntil(lambda: page.view is None or page.view.feed.outcome is not None)
        reached, widget = set(), page.list._list
        widget.setFocus()
        for _ in range(80):
            reached.add(page.focusWidget())
            qtbot.keyClick(page.focusWidget(), Qt.Key.Key_Tab)
        controls = [w for kind in (QAbstractButton, QComboBox, QLineEdit, QSlider) for w in page.findChildren(kind)]
        controls = [w for w in controls if w.isVisible() and w.isEnabled()]
        assert len(controls) >= 5
        for control in controls:
            name = control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")
            assert name, control
            # One tab stop each, arrows between them.
            alternatives = {*page.setup.choice.buttons.values(), *page.setup.trains.buttons.values()}
            assert control in reached or control in alternatives, name
    assert {action.text() for action in page.actions_for_palette()} >= {"Train or resume", "New training"}
    assert page.key_help()
