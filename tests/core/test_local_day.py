"""A label counts for the day on which it was given where the person sits, not for that of Greenwich."""

import sys
import time

import pytest

from dpo_studio.core.local_day import local_day

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the time zone of a process cannot be set there")


@pytest.fixture
def zone(monkeypatch):
    def zone(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "moment", "day"),
    [
        ("Asia/Tokyo", "2026-11-25T23:30:00.000001+00:00", "2026-11-26"),
        ("America/New_York", "2026-11-26T03:00:00Z", "2026-11-25"),
        ("UTC", "2026-11-26T03:00:00+00:00", "2026-11-26"),
        ("Asia/Tokyo", "2026-11-25T23:30:00", "2026-11-25"),
        ("Asia/Tokyo", "2026", "2026"),
    ],
)
def test_the_day_here(zone, name, moment, day):
    zone(name)
    assert local_day(moment) == day
