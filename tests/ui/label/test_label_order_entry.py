"""The keys of a judgement: each rule by hand, then all of them against a plain reading of the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_studio.core import ranking
from dpo_studio.ui.label.order_entry import OrderEntry, order_text


def typed(size, keys, *, written=False):
    """An entry after keys such as "2=1e": numbers, S before one for Shift, = tie, e Enter, b Backspace."""
    entry = OrderEntry(size, written=written)
    response, strong = None, False
    for key in keys:
        assert response is None or not response.done, "the judgement was over already"
        if key == "S":
            strong = True
            continue
        if key == "=":
            response = entry.tie()
        elif key == "e":
            response = entry.finish()
        elif key == "b":
            response = entry.take_back()
        else:
            response = entry.press(int(key) - 1, strong=strong)
        strong = False
    return entry, response


@pytest.mark.parametrize(
    ("size", "keys", "buckets"),
    [
        (2, "1", [(0,), (1,)]),
        (2, "2", [(1,), (0,)]),
        (2, "=", [(0, 1)]),
        (3, "31", [(2,), (0,), (1,)]),
        (4, "241", [(1,), (3,), (0,), (2,)]),
        (4, "2=134", [(1, 0), (2,), (3,)]),
        (4, "2=1=34", [(1, 0, 2), (3,)]),
        (4, "1=2=3=4", [(0, 1, 2, 3)]),
        (3, "1=2=3", [(0, 1, 2)]),
        (4, "=123=4", [(0,), (1,), (2, 3)]),
        (4, "12==3=4", [(0,), (1,), (2, 3)]),
        (4, "3e", [(2,)]),
        (4, "3=1e", [(2, 0)]),
        (4, "31=e", [(2,), (0,)]),
        (4, "31b24", [(2,), (1,), (3,), (0,)]),
        (4, "3=b142", [(2,), (0,), (3,), (1,)]),
        (9, "12345678", [(n,) for n in range(9)]),
    ],
)
def test_finished_orders(size, keys, buckets):
    entry, response = typed(size, keys)
    assert response.done
    assert list(entry.buckets) == buckets


def test_four_take_three_keys_and_no_fewer():
    assert not typed(4, "24")[1].done
    assert typed(4, "241")[1].done


def test_nothing_is_implied_after_a_tie():
    entry, response = typed(4, "1=23")
    assert not response.done
    assert entry.unplaced == (3,)
    assert not typed(4, "3=b14")[1].done, "once pressed, also when it was taken back"


def test_after_the_tie_is_taken_back_the_last_is_implied_again():
    assert typed(3, "1=bb12")[1].done


def test_enter_needs_one_number():
    _, response = typed(4, "e")
    assert not response.done
    assert response.hint


def test_a_number_twice_or_too_high_changes_nothing():
    entry, response = typed(4, "22")
    assert response.hint and not response.done and entry.buckets == ((1,),)
    entry, response = typed(4, "5")
    assert response.hint and entry.buckets == ()


def test_shift_means_much_better_until_it_is_taken_back():
    assert typed(2, "S1")[0].strength == 2
    assert typed(2, "1")[0].strength == 1
    assert typed(4, "S21")[0].strength == 2
    assert typed(4, "S2b1")[0].strength == 1
    assert typed(4, "2S1b")[0].strength == 1


def test_own_answer_stands_first():
    entry, response = typed(4, "2e", written=True)
    assert response.done
    assert entry.rank_of(1) == 2
    assert typed(4, "e", written=True)[1].done
    assert entry.text() == "✎ ≻ 2 ≻ …"


def test_an_earlier_order_shows_until_the_first_number():
    entry = OrderEntry.of_earlier(3, [[2], [0, 1]], strength=2)
    assert entry.text() == "3 ≻ 1 = 2"
    assert entry.strength == 2
    assert not entry.press(0).done
    assert entry.buckets == ((0,),)
    assert entry.strength == 1
    assert entry.press(2).done, "the last is implied again"


def test_backspace_edits_an_earlier_order():
    entry = OrderEntry.of_earlier(3, [[2], [0], [1]])
    entry.take_back()
    assert entry.buckets == ((2,), (0,))
    assert not entry.is_earlier


def test_the_line_that_is_shown():
    assert OrderEntry(4).text() == ""
    assert typed(4, "2")[0].text() == "2 ≻ …"
    assert typed(4, "2=")[0].text() == "2 = …"
    assert typed(4, "2=14")[0].text() == "2 = 1 ≻ 4 ≻ …"
    assert order_text([[1], [0, 3]], written=True) == "✎ ≻ 2 ≻ 1 = 4"


KEYS = st.lists(st.sampled_from("123456789=be"), max_size=30)


@given(size=st.integers(3, 9), keys=KEYS)
def test_any_keys_make_a_valid_weak_order(size, keys):
    """Against a reading of the rules over a list of (position, tied to the one before)."""
    entry = OrderEntry(size)
    placed, ties_meant, waits, done = [], False, False, False
    for key in keys:
        if key == "=":
            response = entry.tie()
            waits, ties_meant = bool(placed) and not waits, True
        elif key == "b":
            response = entry.take_back()
            if waits:
                waits = False
            elif placed:
                placed.pop()
            ties_meant = ties_meant and bool(placed)
        elif key == "e":
            response = entry.finish()
            waits = False
            done = bool(placed)
        else:
            position = int(key) - 1
            response = entry.press(position)
            if position < size and position not in [p for p, _ in placed]:
                placed.append((position, waits))
                waits = False
                if len(placed) == size - 1 and not ties_meant:
                    placed.append(((set(range(size)) - {p for p, _ in placed}).pop(), False))
                done = len(placed) == size
        expected = []
        for position, tied in placed:
            if tied and expected:
                expected[-1].append(position)
            else:
                expected.append([position])
        assert [list(bucket) for bucket in entry.buckets] == expected
        assert response.done == done
        if done:
            ranks = ranking.from_buckets(entry.buckets, size)
            assert ranking.validate(ranks, size) == ranks
            return
