"""What a run asks of the source."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from stages.lake.scope import Scope
from stages.landing.socrata.pages import RecordCounter
from stages.landing.socrata.plan import (
    EVERYTHING,
    Extraction,
    State,
    after,
    plan,
    read_name,
    republished,
)
from stages.settings import Settings

SETTINGS = Settings("lake", lookback_days=7)
NEVER = Settings("lake", lookback_days=7, full_refresh_days=0)
NOW = datetime(2024, 7, 9, 10, tzinfo=UTC)
STATE = State(1000, "2024-07-09T05:00:00.000Z", "2024-07-05T00:00:00.000")
BEFORE = State(990, "2024-07-08T05:00:00.000Z", "2024-07-04T00:00:00.000")
DAY = Scope(date(2024, 7, 8), date(2024, 7, 9))
WHOLE = Extraction(EVERYTHING, whole=True, followed=True, moment=NOW - timedelta(days=3), state=BEFORE)


def test_a_run_over_dates_asks_for_them_and_some_before() -> None:
    (one,) = plan(DAY, SETTINGS, [], STATE, NOW)
    assert one.covers == Scope(date(2024, 7, 1), date(2024, 7, 9))
    assert one.where("crash_date") == "crash_date >= '2024-07-01T00:00:00' and crash_date < '2024-07-09T00:00:00'"
    assert not one.followed


def test_a_run_without_dates_asks_for_the_whole_table() -> None:
    (one,) = plan(Scope(), SETTINGS, [], STATE, NOW)
    assert one.whole
    assert one.covers == EVERYTHING


def test_a_scheduled_run_also_asks_for_what_has_changed_elsewhere_and_marks_what_is_landed_last() -> None:
    changed, interval = plan(DAY, SETTINGS, [WHOLE], STATE, NOW, follow=True)
    assert changed.where("crash_date") == (
        ":updated_at > '2024-07-08T05:00:00.000Z'"
        " and (crash_date < '2024-06-27T00:00:00' or crash_date >= '2024-07-09T00:00:00' or crash_date is null)"
    )
    assert (changed.followed, interval.followed) == (False, True)


def test_a_source_that_stood_still_is_asked_from_its_newest_date_of_then_on() -> None:
    _, interval = plan(DAY, SETTINGS, [WHOLE], STATE, NOW, follow=True)
    assert interval.covers == Scope(date(2024, 6, 27), date(2024, 7, 9))


def test_the_whole_table_is_due_after_the_days_of_the_setting_and_never_with_0() -> None:
    old = Extraction(EVERYTHING, whole=True, followed=True, moment=NOW - timedelta(days=30), state=BEFORE)
    assert [one.whole for one in plan(DAY, SETTINGS, [old], STATE, NOW, follow=True)] == [True]
    assert [one.whole for one in plan(DAY, NEVER, [old], STATE, NOW, follow=True)] == [False, False]
    assert [one.whole for one in plan(DAY, SETTINGS, [], STATE, NOW, follow=True)] == [True]
    unknown = replace(WHOLE, followed=False)  # something that was landed before it is lost
    assert [one.whole for one in plan(DAY, SETTINGS, [unknown], STATE, NOW, follow=True)] == [True]


def test_what_landing_has_of_the_same_state_is_not_asked_for_again() -> None:
    wider = Extraction(Scope(date(2024, 6, 1), date(2024, 7, 9)), moment=NOW, state=STATE)
    assert plan(DAY, NEVER, [wider], STATE, NOW) == []
    (changed,) = plan(DAY, NEVER, [wider, WHOLE], STATE, NOW, follow=True)
    assert changed.since == BEFORE.updated
    assert changed.followed
    same = Extraction(EVERYTHING, whole=True, followed=True, moment=NOW, state=STATE)
    assert plan(DAY, SETTINGS, [same], STATE, NOW, full_refresh=True) == []


def test_dates_after_the_newest_record_are_not_missing_unless_they_are_of_the_future() -> None:
    until_newest = Extraction(Scope(date(2024, 6, 1), date(2024, 7, 6)), moment=NOW, state=STATE)
    assert plan(DAY, NEVER, [until_newest], STATE, NOW) == []
    tomorrow, later = Scope(DAY.start, date(2024, 7, 10)), Scope(DAY.start, date(2024, 7, 11))
    assert plan(tomorrow, NEVER, [until_newest], STATE, NOW) == []
    assert [one.covers.end for one in plan(later, NEVER, [until_newest], STATE, NOW) if one.covers] == [later.end]


def test_a_full_refresh_is_later_than_what_was_landed_by_hand() -> None:
    there = Extraction(EVERYTHING, whole=True, followed=True, moment=NOW, state=STATE)
    by_hand = NOW + timedelta(hours=1, milliseconds=700)
    (one,) = plan(DAY, SETTINGS, [there], STATE, NOW + timedelta(minutes=1), by_hand=by_hand, full_refresh=True)
    assert one.moment == NOW + timedelta(hours=1, seconds=1)
    assert plan(DAY, SETTINGS, [one], STATE, NOW, by_hand=by_hand, full_refresh=True) == []
    assert plan(DAY, SETTINGS, [there], STATE, NOW, by_hand=by_hand) == []


def test_what_landing_has_of_the_same_state_is_asked_for_where_something_else_came_after_it() -> None:
    whole = Extraction(EVERYTHING, whole=True, followed=True, moment=NOW - timedelta(days=2), state=STATE)
    other = Extraction(DAY, moment=NOW - timedelta(days=1), state=BEFORE)
    assert [one.whole for one in plan(DAY, NEVER, [other, whole], STATE, NOW, full_refresh=True)] == [True]
    by_hand = Extraction(DAY, moment=NOW - timedelta(days=1))
    assert [one.whole for one in plan(DAY, NEVER, [by_hand, whole], STATE, NOW, full_refresh=True)] == [True]


def test_a_table_that_has_grown_by_a_tenth_is_fetched_whole() -> None:
    """It was half loaded when it was last followed: the new rows would look like a republication."""
    half = Extraction(EVERYTHING, whole=True, followed=True, moment=NOW - timedelta(days=1), state=BEFORE)
    few = Settings("lake", source_page_rows=50)
    assert [one.whole for one in plan(DAY, few, [half], State(1100, "later", "2024-07-05"), NOW, follow=True)] == [True]
    grown = plan(DAY, few, [half], State(1020, "later", "2024-07-05"), NOW, follow=True)
    assert [one.whole for one in grown] == [False, False]


def test_a_landed_file_says_what_it_is_by_its_name() -> None:
    for one in [*plan(DAY, SETTINGS, [WHOLE], STATE, NOW, follow=True), *plan(Scope(), SETTINGS, [], STATE, NOW)]:
        read = read_name(one.key("bridges"), "bridges")
        assert read is not None
        assert (read.covers, read.whole, read.moment) == (one.covers, one.whole, NOW)
    for name in ("by_hand", "bridges_all_asof_20249999T999999Z", "bridges_2024-13-01_2024-14-01_asof_20240709T100000Z"):
        assert read_name(f"landing/bridges/{name}.csv", "bridges") is None


def test_an_extraction_is_later_than_every_earlier_one_whatever_the_clock_says() -> None:
    assert after(NOW, NOW + timedelta(hours=2)) == NOW + timedelta(hours=2, seconds=1)
    assert after(NOW, None) == NOW


def test_a_page_of_changes_is_never_a_republication() -> None:
    assert not republished(900, STATE, Settings("lake", source_page_rows=900))
    assert republished(900, STATE, Settings("lake", source_page_rows=50))
    assert not republished(100, STATE, Settings("lake", source_page_rows=50))


def test_records_are_counted_whatever_the_blocks_cut() -> None:
    text = b'a,b\n1,"x\ny ""z"""\n2,\n3,"q' + b'"'
    for size in range(1, len(text) + 1):
        counter = RecordCounter()
        for start in range(0, len(text), size):
            counter.feed(text[start : start + size])
        assert counter.finish() == 4
        assert not counter.ends_within(1)


@pytest.mark.parametrize("text", [b"a,b\n1,2\n3", b'a,b\n1,2\n3,"4\n', b'a,b\n1,"2'])
def test_a_cut_record_is_noticed(text: bytes) -> None:
    counter = RecordCounter()
    counter.feed(text)
    assert counter.ends_within(1)
