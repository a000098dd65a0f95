"""The report's parts: what is worst, what is packed, how text is escaped, what the verdict says."""

from __future__ import annotations

import base64
import itertools
import zlib
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from collisions_ops import report as command
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings

from stages.lake import keys
from stages.report.freshness import freshness, source_age, sources
from stages.report.health import revisions
from stages.report.page import pack, policy
from stages.report.places import candidates, outlines
from stages.report.verdict import checks, verdict
from stages.report.words import share
from stages.warehouse import build

MODELS = Path(build.__file__).parent / "models"
CHECK = ("things hold", "fct_vehicles", 3, "warning")
OWN = ("days are there", "fct_collisions", 3, "warning")
PERSONS = ("persons have collisions", "fct_persons", 1025, "warning")


def worst_by_force(hurt: np.ndarray, borough: np.ndarray, listed: int) -> set[int]:
    """The same by trying every road user, borough and range, and sorting all places."""
    users, _, years, places = hurt.shape
    found: set[int] = set()
    for user, first, last in itertools.product(range(users), range(years), range(1, years + 1)):
        if first >= last:
            continue
        injured, killed = hurt[user, :, first:last].sum(axis=1)
        for scope in (None, *range(6)):
            inside = [n for n in range(places) if scope is None or borough[n] == scope]
            inside.sort(key=lambda n: (-(injured[n] + killed[n]), -killed[n], n))
            found.update(n for n in inside[:listed] if injured[n] + killed[n])
    return found


def in_rows(hurt: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Injured and killed by year and place as rows: place, year, and both; the injured in two rows."""
    year, place = np.nonzero(hurt.sum(axis=0))
    injured, killed = hurt[:, year, place]
    harm = np.stack([np.append(injured // 2, injured - injured // 2), np.append(killed, np.zeros_like(killed))])
    return np.tile(place, 2), np.tile(year, 2), harm


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_places_of_every_filter_are_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hurt = rng.poisson(0.7, (5, 2, 4, 60)).astype(np.int32)
    borough = rng.integers(0, 6, 60)
    found = set().union(*(candidates(*in_rows(user), borough, 3) for user in hurt))
    assert found == worst_by_force(hurt, borough, 3)


def test_a_place_without_casualties_is_not_among_the_worst() -> None:
    hurt = np.zeros((2, 1, 3), dtype=np.int32)
    hurt[0, 0, 1] = 1
    assert candidates(*in_rows(hurt), np.array([0, 0, 0])) == {1}


def test_arrays_are_packed_as_narrow_as_their_largest_value() -> None:
    arrays = {"a": np.array([[1, 255]]), "b": np.array([256]), "c": np.array([65536])}
    text, index = pack(arrays)
    content = zlib.decompress(base64.b64decode(text))
    kinds = {1: "<u1", 2: "<u2", 4: "<u4"}
    assert [entry["bytes"] for entry in index] == [1, 2, 4]
    for entry in index:
        size = int(np.prod(entry["shape"]))
        found = np.frombuffer(content, kinds[entry["bytes"]], size, entry["offset"]).reshape(entry["shape"])
        assert found.tolist() == arrays[entry["name"]].tolist()


def test_the_policy_allows_nothing_but_the_pages_own_script_and_styles() -> None:
    allowed = dict(part.strip().split(" ", 1) for part in policy("script", "styles").split(";"))
    assert allowed["default-src"] == "'none'"
    assert all(allowed[kind].startswith("'sha256-") for kind in ("script-src", "style-src"))
    assert not {"unsafe-inline", "unsafe-eval", "http:", "https:", "data:"} & set(policy("a", "b").split())


@pytest.mark.parametrize(
    ("count", "days", "failed", "kind", "says"),
    [
        (0, None, [], "bad", "no collision"),
        (5, 3, [], "good", "Every check passed"),
        (5, 15, [], "warn", "15 days old"),
        (5, 3, [CHECK], "warn", "1 check warns about the table of vehicles, none about the collisions."),
        (5, 3, [CHECK], "warn", "No row is left out for it: the figures count all 5 collisions."),
        (5, 3, [OWN], "warn", "1 check warns about the collisions: the figures count all 5 that the data have, but"),
        (5, 3, [OWN, CHECK], "warn", "2 checks warn, 1 of them about the collisions"),
        (5, 3, [CHECK, PERSONS], "warn", "tables of persons and vehicles, none about the collisions"),
        (5, 3, [CHECK, PERSONS], "warn", "Only “Age and role” is counted from persons."),
        (5, 15, [CHECK], "warn", "15 days old"),
        (5, 3, [CHECK, ("keys", "t", 1, "error")], "bad", "keys"),
    ],
)
def test_the_verdict_names_the_worst_first(
    count: int, days: int | None, failed: list[tuple[str, str, int, str]], kind: str, says: str
) -> None:
    found = verdict(count, days, failed, [], 14)
    assert found.kind == kind
    assert says in found.because


def test_a_warning_does_not_read_as_if_collisions_were_lost() -> None:
    found = verdict(10_000, 3, [PERSONS], [], STALE_DAYS)
    assert "1,025" not in found.because
    assert "Age and role" not in verdict(10_000, 3, [CHECK], [], STALE_DAYS).because


def test_the_cases_against_a_check_stand_beside_the_rows_of_its_table() -> None:
    warehouse = duckdb.connect()
    warehouse.execute((MODELS / "meta/meta_quality.sql").read_text())
    warehouse.execute("create table fct_persons as select unnest(range(12000)) as unique_id")
    for name, table, failures, severity in (PERSONS, ("gone", "fct_gone", 0, "error")):
        warehouse.execute(
            "insert into meta_quality values (?, ?, ?, ?, ?)", [name, table, severity, failures, not failures]
        )
    failed, every = checks(warehouse)
    assert failed.rows == [("persons have collisions", "fct_persons", "warning", "1,025", "12,000", "warns")]
    assert every.rows[-1] == ("gone", "fct_gone", "error", "0", "not known", "passed")
    assert "its cases stay in the figures" in failed.said


def revised(*changes: tuple[str, str | None, str | None]) -> duckdb.DuckDBPyConnection:
    """A warehouse's record of revisions, each with its record, and the value before and since."""
    warehouse = duckdb.connect()
    warehouse.execute((MODELS / "meta/meta_revisions.sql").read_text())
    for key, old, new in changes:
        warehouse.execute(
            "insert into meta_revisions values ('crashes', ?, 'latitude', ?, ?, '2024-07-20 10:00:00.123456', 'a.csv')",
            [key, old, new],
        )
    return warehouse


def test_revisions_are_listed_as_words_and_counted() -> None:
    table = revisions(revised(("1", None, "40.7"), ("1", "40.7", "40.8"), ("2", "40.1", None)))
    assert table.said == "Later extracts changed 3 values of 2 records that were already known."
    assert table.rows[0] == ("crashes", "1", "latitude", "\u2013", "40.7", "2024-07-20 10:00", "a.csv")
    assert table.text == set(range(1, 7))
    assert revisions(revised()).said == "No later extract changed a record that was already known."
    many = revisions(revised(*((f"{number}", None, "40.7") for number in range(31))))
    assert many.said.endswith("already known; the 30 newest changes are listed.")
    assert len(many.rows) == 30


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 9, "0.00%"),
        (1, 9, "11.11%"),
        (9, 9, "100.00%"),
        (26, 2_260_000, "under 0.01%"),
        (2_259_999, 2_260_000, "over 99.99%"),
        (0, 0, ""),
    ],
)
def test_a_share_is_zero_or_whole_only_if_its_part_is(part: int, whole: int, said: str) -> None:
    assert share(part, whole) == said


# --- how new the source is ------------------------------------------------------------------------------

NOW = datetime(2024, 7, 20, 12, tzinfo=UTC)
STALE_DAYS = 14


def july(day: int) -> datetime:
    """Ten in the morning of a day of July 2024, as the warehouse has it: UTC, without saying so."""
    return datetime(2024, 7, day, 10, tzinfo=UTC).replace(tzinfo=None)


def landed(*files: tuple[str, int, str | None, str | None]) -> duckdb.DuckDBPyConnection:
    """A warehouse's record of landed files, each with its dataset, the day of July 2024 on which it was extracted, the
    newest date that its source had then, and when it was removed.
    """
    warehouse = duckdb.connect()
    warehouse.execute((MODELS / "meta/meta_sources.sql").read_text())
    for dataset, day, newest, removed in files:
        warehouse.execute(
            "insert into meta_sources by name select ? as dataset, ? as file, ?::timestamp as extracted_at,"
            " ?::date as source_newest, ?::timestamp as removed_at, 1 as rows, 1 as in_warehouse",
            [dataset, f"landing/{dataset}/{day}.csv", july(day), newest, removed],
        )
    return warehouse


def test_the_file_that_was_fetched_last_says_how_new_its_source_is() -> None:
    warehouse = landed(
        ("crashes", 12, "2024-07-09", None),
        ("crashes", 19, None, None),
        ("crashes", 18, "2024-07-16", None),
        ("crashes", 20, "2024-07-19", "2024-07-20 11:00:00"),
        ("persons", 3, None, None),
    )
    crashes, persons = sources(warehouse, NOW)
    assert (crashes.newest, crashes.days) == (date(2024, 7, 16), 4)
    assert (crashes.fetched, crashes.landed) == (july(18), july(19))
    assert (persons.newest, persons.days, persons.fetched) == (None, None, None)
    assert persons.landed == july(3)


@pytest.mark.parametrize(("day", "days", "stands_still"), [(6, 14, False), (5, 15, True)])
def test_a_source_that_has_not_moved_for_so_many_days_stands_still(day: int, days: int, stands_still: bool) -> None:
    found = sources(landed(("crashes", 18, f"2024-07-{day:02}", None)), NOW)
    said = source_age(found, STALE_DAYS)
    assert f"newest record is of {day} July 2024, {days} days before" in said
    assert "last fetched from it on 18 July 2024" in said
    assert said.startswith("The source stands still: its") is stands_still
    assert verdict(5, 15, [], found, STALE_DAYS).kind == "warn"
    assert ("The source stands still" in verdict(5, 15, [], found, STALE_DAYS).because) is stands_still
    assert verdict(5, 14, [], found, STALE_DAYS).kind == ("warn" if stands_still else "good")


def test_without_a_fetched_file_nothing_is_said_of_the_source() -> None:
    found = sources(landed(("crashes", 18, None, None)), NOW)
    said = source_age(found, STALE_DAYS)
    assert "landed by hand" in said
    assert "extracted on 18 July 2024" in said
    assert "not known" in said
    table, _ = freshness(landed(("crashes", 18, None, None)), found, date(2024, 7, 16), 4, STALE_DAYS)
    assert [row[:4] for row in table.rows] == [("crashes", "not known", "not known", "landed by hand")]
    assert "The newest collision is of 16 July 2024, 4 days" in table.said


def test_the_table_has_every_dataset_and_names_those_that_stand_still() -> None:
    warehouse = landed(("crashes", 18, "2024-07-16", None), ("persons", 18, "2024-06-11", None))
    table, _ = freshness(warehouse, sources(warehouse, NOW), date(2024, 7, 16), 4, STALE_DAYS)
    assert [row[:3] for row in table.rows] == [("crashes", "2024-07-16", "4"), ("persons", "2024-06-11", "39")]
    assert "The source of persons stands still" in table.said
    assert "crashes stands" not in table.said


def test_a_page_without_landed_files_says_that_it_knows_nothing() -> None:
    found = sources(landed(), NOW)
    assert found == []
    assert (
        source_age(found, STALE_DAYS)
        == "No landed file is recorded: how old the source's newest record is, is not known."
    )


def test_every_borough_has_an_outline_of_points_within_the_grid() -> None:
    assert len(outlines()) == 5
    for rings in outlines():
        assert rings
        assert all(len(ring) >= 8 and min(ring) >= 0 for ring in rings)


def test_the_address_of_a_published_page_is_its_file(tmp_path: Path) -> None:
    settings = Settings.from_environment({"COLLISIONS_LAKE": str(tmp_path)})
    page = tmp_path / keys.REPORT
    page.parent.mkdir()
    page.write_text("<!doctype html>")
    assert command.embedded(settings) == page.as_uri()


def test_without_a_published_page_the_error_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings.from_environment({"COLLISIONS_LAKE": str(tmp_path)})
    with pytest.raises(OpsError, match=r"reports/collisions\.html.*run the pipeline first"):
        command.embedded(settings)
