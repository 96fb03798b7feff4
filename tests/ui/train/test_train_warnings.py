"""The set-up of a run warns of what the labels lean towards, and leads to Quality."""

from __future__ import annotations

from dpo_studio.core.types import Completion, Group, Message, Prompt, Ranking
from dpo_studio.store.runs import TrainingData
from dpo_studio.ui.train.label_warnings import label_warnings
from dpo_studio.ui.train.setup_view import SetupView


def item(number, *, longer_wins, earlier_wins, annotator="me"):
    prompt = Prompt(number, f"p{number}", (Message("user", "q"),))
    made = (Completion(2 * number, "a", number, "short"), Completion(2 * number + 1, "b", number, "much longer"))
    best, worst = (made[1].id, made[0].id) if longer_wins else (made[0].id, made[1].id)
    shown = (best, worst) if earlier_wins else (worst, best)
    group = Group(number, f"g{number}", prompt, made, 2)
    return group, Ranking(
        number, f"r{number}", number, "ranking", annotator, ranks={best: 1, worst: 2}, presented=shown
    )


def data(*items):
    return TrainingData(items, (), 0)


def test_what_is_fair_is_not_warned_of():
    fair = [item(n, longer_wins=n % 2, earlier_wins=n % 4 < 2) for n in range(40)]
    assert label_warnings(data(*fair)) == []


def test_position_and_length_are_told():
    labels = [item(n, longer_wins=True, earlier_wins=True) for n in range(30)]
    position, length = label_warnings(data(*labels))
    assert position.startswith("The answer shown earlier won 30 of 30")
    assert length.startswith("The longer answer won 30 of 30")


def test_several_labels_of_one_group_count_once_for_its_length():
    labels = [item(n, longer_wins=True, earlier_wins=n % 2, annotator=who) for n in range(10) for who in "abc"]
    assert label_warnings(data(*labels)) == []


def test_the_set_up_shows_them_with_a_way_to_quality(qtbot, light):
    view = SetupView()
    qtbot.addWidget(view)
    view.show()
    view.show_data(data(*(item(n, longer_wins=False, earlier_wins=n % 2) for n in range(30))))
    assert view.warnings.isVisibleTo(view) and "The shorter answer won 30 of 30" in view.warnings.label.text()
    wanted = []
    view.page_wanted.connect(wanted.append)
    view.warnings.button.click()
    assert wanted == ["quality"]
    view.show_data(data(*(item(n, longer_wins=n % 2, earlier_wins=n % 4 < 2) for n in range(30))))
    assert not view.warnings.isVisibleTo(view)
