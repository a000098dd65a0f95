"""The page in a headless browser: its figures, what it requests, what it says to assistive technology."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import axe_playwright_python
import duckdb
import pytest
from collisions_ops import report
from collisions_ops.settings import Settings
from lake import REPOSITORY, Lake, crashes_csv, rows
from playwright.sync_api import Page
from report_page import PARTS, WAIT, Open, page_of, said, shown_of
from s3_server import S3Server

from stages.lake import keys
from stages.report.page import MOST_BYTES, count, make

pytestmark = pytest.mark.slow

USER = {"all": "persons", "pedestrians": "pedestrians", "cyclists": "cyclists", "motorists": "motorists"}
NOUN = {"all": "pe", "pedestrians": "pedestrian", "cyclists": "cyclist", "motorists": "motorist"}
NO_VALUE = "\u2013"


def run_on(lake: Lake, files: list[Path]) -> Lake:
    """Land the files and run the pipeline."""
    for file in files:
        lake.land(file)
    lake.run()
    return lake


@pytest.fixture(scope="module")
def sample_lake(tmp_path_factory: pytest.TempPathFactory, sample: Callable[..., list[Path]]) -> Lake:
    """A lake of two and a half generated years."""
    lake = Lake(lake=str(tmp_path_factory.mktemp("report")))
    return run_on(lake, sample("--rows=12000", "--start=2022-01-01", "--end=2024-06-16", "--split=year"))


def each_day(first: date, last: date, ids: int, count: int = 2, /, **changes: str) -> list[dict[str, str]]:
    """Rows of so many collisions a day, with ids from `ids` on."""
    days = [first + timedelta(number) for number in range((last - first).days + 1)]
    return [
        row
        for number, day in enumerate(days)
        for row in rows(count, ids + number * count, CRASH_DATE=f"{day:%m/%d/%Y}", **changes)
    ]


@pytest.fixture(scope="module")
def partial_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """2020 and 2022 whole, of 2021 a whole March and two stray days, a week of 2024; Brooklyn has little."""
    lake = Lake(lake=str(tmp_path_factory.mktemp("partial")))
    harm = {"NUMBER_OF_PERSONS_INJURED": "1", "NUMBER_OF_MOTORIST_INJURED": "1"}
    brooklyn = {"BOROUGH": "BROOKLYN", "ZIP_CODE": "11201", "LATITUDE": "40.69", "LONGITUDE": "-73.99"}
    records = [
        *each_day(date(2020, 1, 1), date(2020, 12, 31), 1000),
        *each_day(date(2020, 8, 2), date(2020, 8, 2), 500, **brooklyn, **harm),
        *each_day(date(2021, 3, 1), date(2021, 3, 31), 3000, **harm),
        *each_day(date(2021, 5, 3), date(2021, 5, 3), 4000),
        *each_day(date(2021, 12, 30), date(2021, 12, 30), 4100),
        *each_day(date(2022, 1, 1), date(2022, 12, 31), 5000, 3),
        *each_day(date(2024, 6, 24), date(2024, 6, 30), 9000, 3, **harm),
    ]
    lake.land(crashes_csv(records), "crashes.csv")
    lake.run()
    return lake


def check_figures(lake: Lake, page: Page, borough: str, user: str, first: int, last: int) -> None:
    """The page's sums of a filter are those of SQL."""
    where = [f"year between {first} and {last}"]
    where += [f"borough = '{borough}'"] if borough else []
    group = USER[user]
    where += [f"({group}_injured > 0 or {group}_killed > 0)"] if user != "all" else []
    ((count, injured, killed),) = lake.ask(
        f"select count(*), sum({group}_injured)::bigint, sum({group}_killed)::bigint from collisions"
        f" where {' and '.join(where)}"
    )
    found = re.search(
        rf"([\d,]+) {NOUN[user]}\w* w\w+ injured and ([\d,]+) killed in ([\d,]+) collision", said(page, "time")
    )
    assert found, said(page, "time")
    assert [int(text.replace(",", "")) for text in found.groups()] == [injured, killed, count]
    located = lake.one(f"select count(*) from collisions where latitude is not null and {' and '.join(where)}")
    shown = re.search(r"The map shows (?:all )?([\d,]+)(?: of ([\d,]+))? collision", said(page, "where"))
    assert shown
    assert [int(text.replace(",", "")) for text in shown.groups(shown[1])] == [located, count]
    of_place = [f"year(crash_date) between {first} and {last}", "place_type = 'intersection'"]
    of_place += [f"dim_location.borough = '{borough}'"] if borough else []
    worst = lake.ask(f"""
        select coalesce(sum({group}_injured), 0)::bigint as injured, coalesce(sum({group}_killed), 0)::bigint as killed
        from fct_collisions join dim_location using (location_key)
        where {" and ".join(of_place)}
        group by location_key
        order by injured + killed desc, killed desc
        limit 10
    """)
    listed = page.eval_on_selector_all(
        "#worst tbody tr", "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => +cell.textContent))"
    )
    assert [tuple(row) for row in listed] == [row for row in worst if sum(row)]


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", ("", "all", 2022, 2024)),
        ("#borough=Queens&years=2023-2024", ("Queens", "all", 2023, 2024)),
        ("#borough=Staten+Island", ("Staten Island", "all", 2022, 2024)),
        ("#user=pedestrians&years=2022", ("", "pedestrians", 2022, 2022)),
        ("#borough=Brooklyn&user=cyclists&years=2022-2023", ("Brooklyn", "cyclists", 2022, 2023)),
        ("#user=motorists&years=2024", ("", "motorists", 2024, 2024)),
    ],
)
def test_figures_of_a_filter_are_those_of_sql(
    sample_lake: Lake, open_page: Open, fragment: str, expected: tuple[str, str, int, int]
) -> None:
    page = open_page(page_of(sample_lake), fragment)
    check_figures(sample_lake, page, *expected)


def test_a_choice_goes_into_the_address_and_acts_on_everything(sample_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(sample_lake))
    before = [said(page, part) for part in ("today", "time", "when", "where", "why")]
    page.select_option("#borough", label="Queens")
    page.locator("html[data-shown='borough=Queens']").wait_for(state="attached", timeout=WAIT)
    page.select_option("#from", label="2023")
    page.locator("html[data-shown*='years=2023-2024']").wait_for(state="attached", timeout=WAIT)
    assert page.url.endswith("#borough=Queens&years=2023-2024")
    after = [said(page, part) for part in ("today", "time", "when", "where", "why")]
    assert all(one != other for one, other in zip(before[:4], after[:4], strict=True))
    check_figures(sample_lake, page, "Queens", "all", 2023, 2024)
    page.select_option("#to", label="2023")
    page.locator("html[data-shown*='years=2023']:not([data-shown*='2024'])").wait_for(state="attached", timeout=WAIT)
    assert page.inner_text("#filtered") == "Shown: all collisions in Queens, 2023."
    assert "are those up to 31 December 2023" in page.inner_text("#still")
    page.click("#reset")
    page.locator("html[data-shown='everything']").wait_for(state="attached", timeout=WAIT)
    assert [said(page, part) for part in ("today", "time", "when", "where", "why")] == before


def test_the_last_28_days_are_those_of_sql(sample_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(sample_lake))
    ((count, before),) = sample_lake.ask("""
        with newest as (select max(crash_date) as day from collisions)
        select
            count(*) filter (where crash_date > day - 28),
            count(*) filter (where crash_date > day - 28 - 364 and crash_date <= day - 364)
        from collisions, newest
    """)
    tile = page.inner_text("#today-tiles .tile")
    assert tile.startswith(f"{count:,}")
    assert f"{before:,} a year ago" in tile or (count == before and "as many" in tile)


def check_layout(page: Page, width: int) -> None:
    """Nothing is wider than the window, and axe finds nothing serious."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run().then(found => found.violations)")
    serious = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] != "minor"]
    assert serious == []


def cells_of(page: Page, part: str) -> dict[str, list[str]]:
    """The rows of the table behind a part's chart, by their heads."""
    found = page.eval_on_selector_all(
        f"#{part} tbody tr", "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    return {head: cells for head, *cells in found}


@pytest.mark.parametrize("borough", ["", "Queens", "Brooklyn"])
def test_only_whole_years_and_months_are_compared(partial_lake: Lake, open_page: Open, borough: str) -> None:
    page = open_page(page_of(partial_lake), f"#borough={borough}" if borough else "")
    count = {
        year: partial_lake.one(f"""
            select count(*) from fct_collisions
            where year(crash_date) = {year} {f"and borough = '{borough}'" if borough else ""}
        """)
        for year in (2020, 2022)
    }
    most, least = sorted(count, key=lambda year: -count[year])
    of_years = "Of the 2 years whose months are all whole, "
    where = f" in {borough}" if borough else ""
    expected = (
        f"{of_years}{most} had the most collisions{where} ({count[most]:,}) and {least} the fewest ({count[least]})."
    )
    assert page.inner_text("#years-said").startswith(expected) is (borough != "Brooklyn")  # which has too few
    assert "2022 is in colour, 2021 as dots, earlier years are grey." in page.inner_text("#years-said")
    assert page.locator("#years svg .year").count() == 3
    assert page.inner_text("#held").startswith(
        "Of the 54 months from January 2020 to June 2024 the data have 25 whole, 3 in part and 26 not at all;"
    )
    in_2021 = cells_of(page, "years")["2021"]
    assert in_2021[2] == ("0" if borough == "Brooklyn" else "62")
    assert in_2021[4] == ("0 (in part)" if borough == "Brooklyn" else "2 (in part)")
    assert in_2021[5:11] == ["no data"] * 6
    assert cells_of(page, "years")["2024"] == [
        *["no data"] * 5, "0 (in part)" if borough == "Brooklyn" else "21 (in part)", *[NO_VALUE] * 6
    ]  # fmt: skip
    injured = cells_of(page, "injured")
    assert set(injured["2023-07"]) == {"no data"}
    assert injured["2021-03"][2] == ("0" if borough == "Brooklyn" else "62")
    assert page.locator("#injured svg .missing").count() == 26


def test_one_whole_year_is_compared_with_none(partial_lake: Lake, open_page: Open) -> None:
    for years in ("2021-2024", "2023", "2020"):
        assert "the most collisions" not in open_page(page_of(partial_lake), f"#years={years}").inner_text(
            "#years-said"
        )


@pytest.mark.parametrize(
    ("fragment", "expected", "tile"),
    [
        (
            "",
            (
                "Of the 28 days from 3 June 2024 to 30 June 2024 only 7 are in the data: 21 collisions; 21 people were"
                " injured and 0 killed. There is nothing to compare this with."
            ),
            "21\ncollisions\n7 of 28 days are in the data",
        ),
        (
            "#years=2022&borough=Queens",
            (
                "From 4 December 2022 to 31 December 2022 the police recorded 84 collisions in Queens; 0 people were"
                " injured and 0 killed. There is nothing to compare this with: the same days of the week a year earlier"
                " are not all in the data."
            ),
            "84\ncollisions\nnothing to compare with: the year before is not wholly in the data",
        ),
        (
            "#years=2020-2021&borough=Brooklyn",
            (
                "Of the 28 days from 4 December 2021 to 31 December 2021 only 1 is in the data: no collision in"
                " Brooklyn. There is nothing to compare this with."
            ),
            "0\ncollisions\n1 of 28 days is in the data",
        ),
        (
            "#years=2022-2023",
            "None of the 28 days from 4 December 2023 to 31 December 2023 is in the data.",
            f"{NO_VALUE}\ncollisions\nno data",
        ),
    ],
)
def test_days_that_are_missing_are_not_taken_for_zero(
    partial_lake: Lake, open_page: Open, fragment: str, expected: str, tile: str
) -> None:
    page = open_page(page_of(partial_lake), fragment)
    assert said(page, "today") == expected
    assert page.inner_text("#today-tiles .tile").replace("\n\n", "\n") == tile
    assert " more" not in page.inner_text("#today-tiles")


def test_a_year_without_data_claims_nothing(partial_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(partial_lake), "#years=2023")
    assert page.inner_text("#held").startswith(
        "Of the 12 months from January 2023 to December 2023 the data have 12 not"
    )
    assert {said(page, part) for part in PARTS} == {"The data hold nothing of 2023."}
    assert "Every collision" not in page.inner_text("main")
    assert shown_of(page) == []


def test_what_ties_is_not_called_the_most(partial_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(partial_lake), "#years=2022")
    assert said(page, "when") == "No single hour of the week stands out among the collisions."  # it had 53 Saturdays
    page = open_page(page_of(partial_lake), "#years=2024")
    assert said(page, "when") == (
        "Each day of the week is in the data only 1 time, too few to say which hour of the week has the most"
        " collisions."
    )
    assert page.locator("#held").is_visible()
    assert not open_page(page_of(partial_lake), "#years=2020").locator("#held").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_of_partial_data_is_not_cut(partial_lake: Lake, open_page: Open, width: int, scheme: str) -> None:
    check_layout(open_page(page_of(partial_lake), width=width, scheme=scheme), width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_cut_and_assistive_technology_finds_its_way(
    sample_lake: Lake, open_page: Open, width: int, scheme: str
) -> None:
    page = open_page(page_of(sample_lake), width=width, scheme=scheme)
    check_layout(page, width)
    if (width, scheme) == (1440, "light") and "REPORT_PICTURE" in os.environ:
        picture = Path(REPOSITORY, os.environ["REPORT_PICTURE"])
        page.screenshot(path=picture, full_page=True, clip={"x": 100, "y": 0, "width": 1240, "height": 1900})


def test_an_intersection_points_into_the_map(sample_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(sample_lake))
    button = page.locator("#worst button:not([disabled])").first
    name = button.inner_text()
    before = page.evaluate("document.getElementById('map').toDataURL()")
    button.focus()
    page.keyboard.press("Enter")
    assert name in page.inner_text("#map-note")
    assert page.evaluate("document.getElementById('map').toDataURL()") != before


def test_a_street_called_like_markup_is_shown(folder_lake: Lake, open_page: Open) -> None:
    street = "<SCRIPT>ALERT(1)</SCRIPT>"
    names = {"ON_STREET_NAME": street, "CROSS_STREET_NAME": "</SCRIPT><IMG SRC=X>"}
    harm = {"NUMBER_OF_PERSONS_INJURED": "1", "NUMBER_OF_PEDESTRIANS_INJURED": "1"}
    folder_lake.land(crashes_csv(rows(3, 1, **names, **harm)), "crashes.csv")
    folder_lake.run()
    page = open_page(page_of(folder_lake))
    assert "IMG SRC" in page.inner_text("#worst")
    assert page.locator("img").count() == 0


def test_a_single_collision_has_a_page(folder_lake: Lake, open_page: Open) -> None:
    folder_lake.land(crashes_csv(rows(1)), "crashes.csv")
    folder_lake.run()
    page = open_page(page_of(folder_lake), width=390)
    assert "1 collision." in said(page, "time")
    assert "1,0" not in said(page, "where")
    assert (page.inner_text("#killed"), page.inner_text("#fatal-hours")) == (
        "Nobody was killed in these collisions.",
        "None of these collisions was fatal.",
    )
    assert "1 motor vehicle collision that the police of New York City reported on 5 March 2024" in page.inner_text(
        "header"
    )
    assert page.inner_text("#held").startswith("The data have only a part of March 2024;")
    assert "only 1 is in the data: 1 collision;" in said(page, "today")
    assert "1 file is landed." in page.inner_text("#health")


def test_an_empty_warehouse_has_a_page_that_says_so(folder_lake: Lake, open_page: Open, tmp_path: Path) -> None:
    folder_lake.land(crashes_csv(rows(1)), "crashes.csv")
    folder_lake.run()
    empty = tmp_path / "empty.duckdb"
    shutil.copy(Path(folder_lake.environment["COLLISIONS_LAKE"], keys.WAREHOUSE), empty)
    with duckdb.connect(str(empty)) as warehouse:
        for table in (
            "fct_collisions",
            "fct_collision_vehicles",
            "dim_location",
            "dim_date",
            "meta_runs",
            "meta_stages",
        ):
            warehouse.execute(f"delete from {table}")
    file = tmp_path / "empty.html"
    with duckdb.connect(str(empty)) as warehouse:
        numbers = count(warehouse)
    file.write_bytes(make(empty, numbers, stale_days=14))
    page = open_page(file)
    assert "holds no collision yet" in page.inner_text("#empty")
    assert not page.is_visible("#filters")
    assert "No data" in page.inner_text("header")


def test_a_page_that_would_be_too_large_has_larger_cells(folder_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_lake.land(crashes_csv(rows(3)), "crashes.csv")
    folder_lake.run()
    file = Path(folder_lake.environment["COLLISIONS_LAKE"], keys.WAREHOUSE)
    with duckdb.connect(str(file), read_only=True) as warehouse:
        numbers = count(warehouse)
    fine = make(file, numbers, stale_days=14)
    monkeypatch.setattr("stages.report.page.MOST_BYTES", 0)
    coarse = make(file, numbers, stale_days=14)
    assert b'"metres":30,' in fine
    assert b'"metres":120,' in coarse


def test_a_month_as_published(folder_lake: Lake, open_page: Open, extract: Callable[[str], Path]) -> None:
    run_on(folder_lake, [extract("crashes_2022-01.csv")])
    assert page_of(folder_lake).stat().st_size <= MOST_BYTES
    page = open_page(page_of(folder_lake), "#borough=Brooklyn&user=pedestrians")
    check_figures(folder_lake, page, "Brooklyn", "pedestrians", 2022, 2022)
    assert "These numbers are not current: the newest collision is" in page.inner_text("#still")
    assert "landed by hand" in page.inner_text("#today-newest")


def test_a_source_that_stands_still_is_named_in_both_sections(folder_lake: Lake, open_page: Open) -> None:
    newest, moment = date(2024, 3, 5), datetime(2024, 3, 25, 10, tzinfo=UTC)
    declared = {"source-newest": f"{newest}T00:00:00.000", "extracted-at": moment.isoformat()}
    folder_lake.store.put("landing/crashes/<b>fetched.csv", crashes_csv(rows(3)).encode(), metadata=declared)
    folder_lake.run()
    made = datetime.fromtimestamp(page_of(folder_lake).stat().st_mtime, UTC).date()
    days = (made - newest).days
    page = open_page(page_of(folder_lake))
    notice = page.inner_text("#still")
    assert f"stands still: its newest record is of 5 March 2024, {days:,} days before this page was made." in notice
    assert "last fetched from it on 25 March 2024" in notice
    health = page.inner_text("#health")
    assert f"The source stands still: its newest record was {days:,} days old" in health
    assert "<b>fetched.csv" in health


def test_a_page_that_cannot_be_made_is_a_warning_and_the_warehouse_goes_out(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(3)), "crashes.csv")
    folder_lake.run(stages=["ingest_raw", "transform_clean", "transform_curated"])
    blocked = Path(folder_lake.environment["COLLISIONS_LAKE"], keys.REPORT)
    blocked.mkdir(parents=True)  # no file can be written there
    done = folder_lake.stage("model_analytics")
    assert done.code == 0, done.log
    assert "WARNING: model_analytics: the report could not be" in done.log
    assert folder_lake.one("select count(*) from fct_collisions") == 3


def test_the_page_of_a_bucket_is_copied_for_whoever_wants_to_see_it(s3_server: S3Server, tmp_path: Path) -> None:
    lake = s3_server.lake()
    lake.store.put(keys.REPORT, b"<!doctype html>")
    settings = Settings.from_environment(lake.environment | {"STATE": str(tmp_path)})
    copy = tmp_path / keys.REPORT
    assert report.embedded(settings) == copy.as_uri()
    assert copy.read_bytes() == b"<!doctype html>"
