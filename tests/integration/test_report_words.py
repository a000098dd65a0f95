"""What the page says and shows under filters, in a headless browser: of what it speaks, when it rather says nothing."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from itertools import cycle
from typing import Any

import pytest
from lake import Lake, crashes_csv, rows
from playwright.sync_api import Page
from report_page import PARTS, WAIT, Open, page_of, said, shown_of

pytestmark = pytest.mark.slow

FACTORS = (
    "Backing Unsafely", "Following Too Closely", "Passing Too Closely", "Turning Improperly", "Unsafe Lane Changing",
    "Pavement Slippery", "View Obstructed/Limited", "Glare", "Fatigued/Drowsy", "Fell Asleep", "Lost Consciousness",
    "Outside Car Distraction", "Oversized Vehicle",
)  # fmt: skip
INJURED = {"NUMBER_OF_PERSONS_INJURED": "1", "NUMBER_OF_MOTORIST_INJURED": "1"}
KILLED = {"NUMBER_OF_PERSONS_KILLED": "1", "NUMBER_OF_PEDESTRIANS_KILLED": "1"}
QUEENS = {"ON_STREET_NAME": "MAIN STREET", "CROSS_STREET_NAME": "ELM STREET"}
BROOKLYN = {
    "BOROUGH": "BROOKLYN", "ZIP_CODE": "11201", "LATITUDE": "40.69", "LONGITUDE": "-73.99",
    "LOCATION": "(40.69, -73.99)", "ON_STREET_NAME": "COURT STREET", "CROSS_STREET_NAME": "DEAN STREET",
    "CONTRIBUTING_FACTOR_VEHICLE_1": "Unsafe Speed",
}  # fmt: skip
NOWHERE = {"LATITUDE": "", "LONGITUDE": "", "LOCATION": "", "CROSS_STREET_NAME": ""}
FIRST, LAST = date(2023, 1, 1), date(2024, 2, 10)
NO_MATCH = "No collision matches this filter."


def persons_csv(collisions: list[int], age: int) -> str:
    """An injured driver of that age for each collision, as the portal's CSV."""
    text = io.StringIO()
    names = ("UNIQUE_ID", "COLLISION_ID", "CRASH_DATE", "CRASH_TIME", "PERSON_ID", "PERSON_TYPE", "PERSON_INJURY",
             "VEHICLE_ID", "PERSON_AGE", "EJECTION", "EMOTIONAL_STATUS", "BODILY_INJURY", "POSITION_IN_VEHICLE",
             "SAFETY_EQUIPMENT", "PED_LOCATION", "PED_ACTION", "COMPLAINT", "PED_ROLE", "CONTRIBUTING_FACTOR_1",
             "CONTRIBUTING_FACTOR_2", "PERSON_SEX")  # fmt: skip
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    for number, collision in enumerate(collisions):
        writer.writerow({
            "UNIQUE_ID": str(900_000 + number), "COLLISION_ID": str(collision), "CRASH_DATE": "01/05/2023",
            "CRASH_TIME": "8:15", "PERSON_ID": str(number), "PERSON_TYPE": "Occupant", "PERSON_INJURY": "Injured",
            "PERSON_AGE": str(age), "PED_ROLE": "Driver", "PERSON_SEX": "F",
        })  # fmt: skip
    return text.getvalue()


@pytest.fixture(scope="module")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two collisions a day in Queens from January 2023 to 10 February 2024, whose drivers of 30 days are hurt and on
    record, as are two of 2024; 25 fatal ones in Brooklyn, 5 without location; three hurt persons of no collision.
    """
    lake = Lake(lake=str(tmp_path_factory.mktemp("small")))
    factor = cycle(FACTORS)
    days = [FIRST + timedelta(number) for number in range((LAST - FIRST).days + 1)]
    records = []
    for number, day in enumerate(days):
        hurt = INJURED if number < 30 or number >= len(days) - 2 else {}
        when = {"CRASH_DATE": f"{day:%m/%d/%Y}", "CONTRIBUTING_FACTOR_VEHICLE_1": next(factor)}
        records += [*rows(1, 1000 + number, **QUEENS, **when, **hurt), *rows(1, 3000 + number, **when)]
    for number in range(25):
        where = BROOKLYN | NOWHERE if number < 5 else BROOKLYN
        records += rows(1, 5000 + number, **where, **KILLED, CRASH_DATE="03/05/2023", CRASH_TIME=f"{number % 20}:05")
    lake.land(crashes_csv(records), "crashes.csv")
    on_record = [*range(1000, 1030), 1000 + len(days) - 2, 1000 + len(days) - 1]
    lake.land(persons_csv([*on_record, 1, 2, 3], 33), "persons.csv", dataset="persons")
    lake.run()
    return lake


def choose(page: Page, shown: str, **options: str) -> None:
    """Choose in the filters, and wait until the page shows that."""
    for name, label in options.items():
        page.select_option(f"#{name}", label=label)
    page.locator(f"html[data-shown='{shown}']").wait_for(state="attached", timeout=WAIT)


# --- age and role -----------------------------------------------------------------------------------


def test_age_and_role_count_the_persons_of_the_collisions_shown(small_lake: Lake, open_page: Open) -> None:
    left_out = "3 hurt persons in all are left out, whatever the filter: the data do not have their collisions."
    page = open_page(page_of(small_lake))
    assert said(page, "persons") == (
        "These are the records of 32 people hurt in these collisions, 32 injured and 0 killed; the collisions' own"
        " reports count 32 and 25. Where the age is stated, more of the injured were 30 to 44 years old (32) than in"
        f" any other age group. {left_out}"
    )
    choose(page, "borough=Brooklyn", borough="Brooklyn")
    assert said(page, "persons") == f"No record of a person hurt belongs to these collisions. {left_out}"
    assert not page.is_visible("#persons-shown")


def test_no_age_is_a_headline_of_two_persons(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#years=2024")
    assert "These are the records of 2 people hurt in these collisions, 2 injured" in said(page, "persons")
    assert "age" not in said(page, "persons")
    assert "largest group" not in said(page, "time")


# --- the filter, the address and the map ------------------------------------------------------------


def test_a_circled_intersection_is_forgotten_when_it_is_not_among_what_is_shown(
    small_lake: Lake, open_page: Open
) -> None:
    page = open_page(page_of(small_lake))
    page.click("#worst button:has-text('MAIN STREET')")
    choose(page, "years=2023", to="2023")
    assert "MAIN STREET" in page.inner_text("#map-note")
    choose(page, "borough=Brooklyn&years=2023", borough="Brooklyn")
    assert page.inner_text("#map-note") == ""
    picture = "document.getElementById('map').toDataURL()"
    fresh = open_page(page_of(small_lake), "#borough=Brooklyn&years=2023")
    assert page.evaluate(picture) == fresh.evaluate(picture)


def test_everything_is_shown_again_where_the_reader_is(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    start = page.evaluate("document.getElementById('map').toDataURL()")
    page.click("#worst button:has-text('MAIN STREET')")
    choose(page, "borough=Queens", borough="Queens")
    top = "document.getElementById('where-title').getBoundingClientRect().top"
    place = page.evaluate(top)
    assert page.evaluate("scrollY") > 500
    page.evaluate("document.getElementById('reset').click()")
    page.locator("html[data-shown='everything']").wait_for(state="attached", timeout=WAIT)
    assert abs(page.evaluate(top) - place) < 5  # what is above may have grown
    assert "#" not in page.url
    assert page.inner_text("#map-note") == ""
    assert page.evaluate("document.getElementById('map').toDataURL()") == start
    page.go_back()
    page.locator("html[data-shown='borough=Queens']").wait_for(state="attached", timeout=WAIT)


def test_the_verdict_leads_to_the_health_and_keeps_the_filter(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#borough=Queens")
    page.click("a.verdict")
    assert page.evaluate("document.activeElement.id") == "health"
    assert page.evaluate("document.getElementById('health').getBoundingClientRect().top < innerHeight")
    assert page.url.endswith("#borough=Queens")
    assert page.get_attribute("html", "data-shown") == "borough=Queens"


@pytest.mark.parametrize("asked", ["2024-2023", "2023-2024", "2030-2019"])
def test_years_may_be_asked_in_either_order(small_lake: Lake, open_page: Open, asked: str) -> None:
    page = open_page(page_of(small_lake), f"#borough=Queens&years={asked}")
    assert [page.input_value(f"#{name}") for name in ("from", "to")] == ["2023", "2024"]
    assert page.url.endswith("#borough=Queens")  # these are all years there are


def test_the_later_year_may_be_chosen_first(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#years=2023")
    choose(page, "everything", **{"from": "2024"})
    assert [page.input_value(f"#{name}") for name in ("from", "to")] == ["2023", "2024"]


def test_what_an_address_asks_in_vain_is_said(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#borough=Jersey&user=cyclists&years=1999")
    assert page.inner_text("#filtered") == (
        "Shown: collisions in which cyclists were hurt, 2023 to 2024."
        " Not known here, and left out: borough=Jersey, years=1999."
    )


# --- sentences ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fragment", ["#borough=Staten+Island", "#borough=Queens&user=cyclists", "#borough=Not+stated"])
def test_a_filter_that_leaves_nothing_says_so_and_nothing_else(
    small_lake: Lake, open_page: Open, fragment: str
) -> None:
    page = open_page(page_of(small_lake), fragment)
    assert {said(page, part) for part in PARTS} == {NO_MATCH}
    assert shown_of(page) == []
    assert page.locator("[data-numbers] table:visible, [data-numbers] h3:visible").count() == 0
    choose(page, "everything", borough="All boroughs", user="All collisions")
    assert shown_of(page) == list(PARTS)


def test_fatal_collisions_without_a_location_are_counted_beside_the_map(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#borough=Brooklyn")
    assert said(page, "where").startswith(
        "The map shows 20 of 25 collisions in Brooklyn; 5 have no location."
        " The stronger the colour, the more collisions. Red dots mark 20 of the 25 fatal ones; 5 have no location."
    )


def test_the_factor_with_the_most_killed_is_a_row_of_the_table(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    assert "the one with the most killed is Unsafe Speed (25)" in said(page, "why")
    rows = page.locator("#factors tbody th").all_inner_texts()
    assert (len(rows), rows[-1]) == (13, "Unsafe Speed")
    assert "and the one with the most killed" in page.inner_text("#factors caption")
    page = open_page(page_of(small_lake), "#years=2024")
    assert "killed" not in said(page, "why")


def test_the_28_days_follow_the_years_and_say_so(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#years=2023")
    assert page.inner_text("#today-title") == "The last 28 days of 2023"
    assert said(page, "today").startswith("From 4 December 2023 to 31 December 2023 the police recorded 56 collisions")
    assert "The newest day of the data is 10 February 2024" in page.inner_text("#today-newest")
    assert "the chosen years end before it" in page.inner_text("#today-newest")
    page = open_page(page_of(small_lake))
    assert page.inner_text("#today-title") == "The newest 28 days"
    assert "chosen" not in page.inner_text("#today-shown")
    page = open_page(page_of(small_lake), "#borough=Brooklyn")
    assert said(page, "today") == (
        "From 14 January 2024 to 10 February 2024 the police recorded no collision in Brooklyn, and none a year"
        " earlier."
    )


def test_few_days_of_the_week_make_no_headline(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#years=2024")
    assert said(page, "when").startswith("Each day of the week is in the data only 5 or 6 times, too few to say")
    assert "Not every day of the week is in the data equally often (6 Mondays, 6 Tuesdays" in said(page, "when")


def busiest(page: Page, counts: dict[int, int], held: list[int], rest: int = 100) -> Any:
    """What is said of counts by hour of the week, the others being `rest`."""
    hours = [counts.get(hour, rest) for hour in range(168)]
    return page.evaluate("([counts, held]) => busiestHour(readFilter(''), counts, held)", [hours, held])


def test_the_busiest_hour_is_named_only_if_days_and_chance_do_not_make_it(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    year, tuesday = [52] * 7, 24 + 17
    named = "The hour of the week with the most collisions is on Tuesdays from 17:00 to 18:00 (180)."
    assert busiest(page, {tuesday: 180}, year) == named
    assert (
        busiest(page, {tuesday: 180, 3: 170}, year)
        == f"{named} One other hour has so nearly as many that it may be chance."
    )
    assert busiest(page, {tuesday: 180, 3: 180}, year) == "2 hours of the week tie for the most collisions (180 each)."
    assert "stands out" in busiest(page, {tuesday: 101}, year)
    assert "stands out" in busiest(page, {tuesday: 180, 3: 150}, [26, 52, 52, 52, 52, 52, 52])  # more a Monday
    assert "too few" in busiest(page, {tuesday: 180}, [11, *[12] * 6])
    assert "none has more than 9 collisions" in busiest(page, {tuesday: 9, 3: 8}, year, 1)
    assert "Only 12 collisions state their time" in busiest(page, {tuesday: 12}, year, 0)


def test_the_filter_reads_as_english(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    filters = [
        {"borough": -1, "user": 0},
        {"borough": 0, "user": 0},
        {"borough": 5, "user": 2},
        {"borough": 1, "user": 4},
    ]
    assert page.evaluate("filters => filters.map(subject)", filters) == [
        "",
        " in the Bronx",
        " without a stated borough in which cyclists were hurt",
        " in Brooklyn in which other road users were hurt",
    ]
    parts = "[[1, 500], [499, 500], [0, 20], [20, 20]]"
    assert page.evaluate(f"{parts}.map(([part, whole]) => percent(part, whole))") == [
        "under 1%", "over 99%", "0%", "100%",
    ]  # fmt: skip
    tied = [["A", 15, 0, 5], ["B", 15, 0, 5], ["C", 2, 0, 1]]
    assert page.evaluate("rows => factorsSaid(rows)", tied) == (
        "The contributing factors that the police named most often are A and B (15 each)."
    )
    assert page.evaluate("rows => factorsSaid(rows)", [["A", 1, 1, 0]]) == (
        "Only 1 collision names a contributing factor: too few to say which is the most frequent."
    )


def test_small_numbers_read_as_english(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    assert page.evaluate("[[0, 1], [3, 1], [1, 2]].map(([now, before]) => change(now, before))") == [
        "1 fewer than the one a year ago", "2 more than the one a year ago", "1 fewer than the 2 a year ago",
    ]  # fmt: skip
    assert page.evaluate("dots(0, 2)") == " Neither of the 2 fatal ones has a location."
    assert page.evaluate("dots(0, 3)") == " None of the 3 fatal ones has a location."
    for borough, pairs in (("Brooklyn", "No pair with at least 20"), ("Queens", "No fatal collision states who")):
        choose(page, f"borough={borough}", borough=borough)
        assert said(page, "pairs").startswith(pairs)


def test_months_are_said_to_be_left_out_only_if_some_are(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#years=2023")
    assert "left out" not in page.inner_text("#years-said")
    choose(page, "everything", to="2024")
    assert page.inner_text("#years-said").endswith(
        "Months that are not over, or that the data have only in part, are left out."
    )


# --- charts, print and narrow screens ---------------------------------------------------------------------


def test_a_single_fatal_collision_an_hour_is_not_the_darkest_shade(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), "#borough=Brooklyn")
    read = "cells => [...new Set(cells.map(cell => cell.getAttribute('fill-opacity')))].map(Number).sort()"
    none, one, two = page.eval_on_selector_all("#fatal-hours rect.heat", read)
    assert none < one < two < 0.7
    assert page.locator("#fatal-hours .legend li").all_inner_texts() == ["none", "1", "2"]
    assert page.evaluate("shades(2647).bands.map(({ name }) => name)")[-1] == "2,501 to 3,000"


def test_one_row_has_no_bar(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    count = "rows => table('t', ['Pair', 'Rate'], rows, { bar: 1 }).querySelectorAll('.bar').length"
    assert (page.evaluate(count, [["A", 1]]), page.evaluate(count, [["A", 1], ["B", 2]])) == (0, 3)


def test_the_years_beneath_the_months_are_all_named(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    texts = page.locator("#injured svg text").all_text_contents()
    assert [text for text in texts if len(text) == 4] == ["2023", "2024"]
    assert page.locator("#injured svg .tick").count() == 1


def test_paper_is_light_whatever_the_screen(small_lake: Lake, open_page: Open) -> None:
    dark = open_page(page_of(small_lake), scheme="dark")
    light = open_page(page_of(small_lake), scheme="light")
    picture = "document.getElementById('map').toDataURL()"
    screen = dark.evaluate(picture)
    assert screen != light.evaluate(picture)
    dark.evaluate("dispatchEvent(new Event('beforeprint'))")
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    light.emulate_media(media="print", color_scheme="light")
    light.evaluate("dispatchEvent(new Event('beforeprint'))")
    for name in ("heat", "fatal", "pedestrians", "accent", "warn"):
        of = f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')"
        assert dark.evaluate(of) == light.evaluate(of)
    assert dark.evaluate("document.documentElement.scrollWidth") <= 1440
    dark.emulate_media(media="screen", color_scheme="dark")
    dark.evaluate("dispatchEvent(new Event('afterprint'))")
    assert dark.evaluate(picture) == screen


def test_on_paper_the_tables_of_the_datas_health_are_unfolded(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    opened = "[...document.querySelectorAll('#health details')].filter(one => one.open).length"
    folded = page.locator("#health details").count()
    assert folded
    assert page.evaluate(opened) == 0
    for _ in range(2):
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(opened) == folded
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(opened) == 0


def test_on_paper_no_table_is_wider_than_its_box(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), width=700)  # A4 between its margins
    page.emulate_media(media="print")
    too_wide = "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.ariaLabel)"
    assert page.eval_on_selector_all(".scroll", too_wide) == []


def test_on_a_phone_a_table_flows_or_says_that_it_scrolls(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake), width=390)
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    page.eval_on_selector_all("#health td", "cells => cells.forEach(cell => cell.append(' and some words more'))")
    cut = """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1 && !box.querySelector(".aside"))
        .map(box => box.ariaLabel)"""
    assert page.eval_on_selector_all(".scroll", cut) == []
    assert page.locator("#injured table .aside, #years table .aside").first.is_visible()
    flows = "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
    assert '"Severity "' in page.eval_on_selector_all("#health td", flows)


def test_the_legend_has_the_colour_of_a_month_without_data(small_lake: Lake, open_page: Open) -> None:
    page = open_page(page_of(small_lake))
    colours = page.evaluate("""() => {
        const swatch = document.querySelector("#legend").appendChild(html("i", { class: "missing" }));
        const band = document.querySelector("#injured svg").appendChild(shape("rect", { class: "missing" }));
        const { fill, fillOpacity } = getComputedStyle(band);
        return [getComputedStyle(swatch).backgroundColor, fill, fillOpacity];
    }""")
    assert colours[0] == colours[1]
    assert colours[2] == "1"
