"""Reading landed CSVs: header forms, blocks, line numbers, and that the quick way and the careful way agree."""

from __future__ import annotations

import gzip
import io
import random
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from lake import PORTAL, crashes_csv, rows

from stages.datasets import registry
from stages.datasets.crashes import DATASET
from stages.datasets.dataset import Dataset
from stages.errors import SourceError, StageError
from stages.ingest_raw import split_by_month
from stages.landing import csv_file
from stages.landing.csv_file import Block, Rows, read_blocks, read_rows
from stages.landing.header import Header, read_header

COLUMNS = ["a", "b", "c"]
HEADER = Header(COLUMNS, "portal", [], frozenset(COLUMNS), 6)


def block(text: str, first_line: int = 2, last: bool = True) -> Block:
    return Block(text.encode(), first_line, last)


def told(read: Rows | None) -> tuple[list[dict[str, str]], list[int], list[tuple[int, str]]]:
    assert read is not None
    return read.table.to_pylist(), read.lines.tolist(), [(reject.line, reject.reason) for reject in read.rejects]


# --- header -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "names"), DATASET.forms.items())
@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_published_headers_are_known(form: str, names: dict[str, str], ending: str, start: str) -> None:
    for columns in (list(names), [f'"{name}"' for name in names], list(names)[::-1]):
        first = (start + ",".join(columns) + ending).encode()
        header = read_header("x", io.BytesIO(first + ending.encode()), DATASET)
        assert (header.form, header.unknown, header.offset) == (form, [], len(first))
        assert header.columns == [name.strip('"') for name in columns]


OLDER = [{"CRASH DATE": "DATE", "CRASH TIME": "TIME", "COLLISION_ID": "UNIQUE KEY"}.get(name, name) for name in PORTAL]


def test_the_older_portal_export_is_a_form_of_its_own() -> None:
    header = read_header("x", io.BytesIO((",".join(OLDER) + "\n").encode()), DATASET)
    assert (header.form, header.columns, header.unknown) == ("older portal", OLDER, [])


WHAT_TO_DO = "; land the file as published, or, if the city has renamed a column, add its new name in stages/datasets/"


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ([name for name in OLDER if name != "UNIQUE KEY"], "UNIQUE KEY (read as the older portal form)"),
        ([name for name in PORTAL if name != "COLLISION_ID"], "COLLISION_ID (read as the portal form)"),
    ],
)
def test_the_names_that_only_one_form_has_decide_between_forms(columns: list[str], missing: str) -> None:
    with pytest.raises(SourceError) as refused:
        read_header("x", io.BytesIO((",".join(columns) + "\n").encode()), DATASET)
    assert str(refused.value) == f"x, line 1: required columns are missing: {missing}{WHAT_TO_DO}crashes/columns.py"


@pytest.mark.parametrize("dataset", registry())
def test_a_mistyped_column_is_named_with_the_one_that_is_likely_meant(dataset: Dataset) -> None:
    for form, names in dataset.forms.items():
        right = dataset.published(dataset.date, form)
        typed = f"{right[:-2]}{right[-1]}{right[-2]}"
        columns = [typed if name == right else name for name in names]
        with pytest.raises(SourceError) as refused:
            read_header("x", io.BytesIO((",".join([*columns, "WEATHER"]) + "\n").encode()), dataset)
        assert str(refused.value) == (
            f"x, line 1: required columns are missing: {right} (read as the {form} form);"
            f" not known: {typed} (did you mean {right}?), WEATHER{WHAT_TO_DO}{dataset.name}/columns.py"
        )


def test_of_many_unknown_columns_the_first_are_named() -> None:
    columns = [*(name for name in PORTAL if name != "BOROUGH"), "", *(f"X{number}" for number in range(30)), ""]
    with pytest.raises(SourceError, match=r"not known: X0, X1, .*X9, and 20 more;"):
        read_header("x", io.BytesIO((",".join(columns) + "\n").encode()), DATASET)


def test_unknown_columns_are_reported() -> None:
    header = read_header("x", io.BytesIO((",".join(PORTAL) + ",WEATHER\n").encode()), DATASET)
    assert header.unknown == ["WEATHER"]


def header_of(columns: Sequence[str], *below: str) -> Header:
    """The header of a file of these columns, with the lines below it."""
    return read_header("x", io.BytesIO("\n".join([",".join(columns), *below, ""]).encode()), DATASET)


def snake(columns: Sequence[str]) -> list[str]:
    return [name.lower().replace(" ", "_") for name in columns]


PORTAL_DATE, API_DATE, ISO_DATE = "03/05/2024", "2024-03-05T00:00:00.000", "2024-03-05"
API = list(DATASET.forms["API"])
AS_THE_API_NUMBERS = [re.sub("(code)_([12])$", r"\1\2", name) for name in snake(PORTAL)]


@pytest.mark.parametrize(
    "columns",
    [
        ["borough" if name == "BOROUGH" else name for name in PORTAL],
        snake(PORTAL),
        [name.replace(" ", ".") for name in PORTAL],
        [name.title() for name in PORTAL],
        [name.replace(" ", " _ ") for name in PORTAL],
    ],
)
def test_the_portals_names_are_known_respelled(columns: list[str]) -> None:
    header = header_of(columns, PORTAL_DATE)
    assert (header.form, header.columns, header.unknown) == ("portal", PORTAL, [])


@pytest.mark.parametrize(
    ("columns", "date", "form"),
    [
        (snake(PORTAL), PORTAL_DATE, "portal"),
        (snake(PORTAL), "3/5/2024", "portal"),
        (snake(PORTAL), ISO_DATE, "portal"),  # any program's date; the order of the streets is the portal's
        (snake(PORTAL)[::-1], "," * 28 + PORTAL_DATE, "portal"),
        (PORTAL, API_DATE, "portal"),  # no program makes these names of the API's
        (PORTAL[::-1], "", "portal"),
        (snake(OLDER), PORTAL_DATE, "older portal"),
        (API, API_DATE, "API"),
        (API, ISO_DATE, "API"),
        (API[::-1], "," * 28 + API_DATE, "API"),
        ([name.upper() for name in API], API_DATE, "API"),
    ],
)
def test_portal_or_api_is_decided_by_names_and_dates(columns: list[str], date: str, form: str) -> None:
    header = header_of(columns, date)
    assert (header.form, set(header.columns)) == (form, set(DATASET.forms[form]))
    streets = [DATASET.forms[form][name] for name in header.columns if "STREET" in name.upper()]
    given = [name.lower() for name in columns if "street" in name.lower()]
    crosswise = form == "API"
    expected = {
        "on": "on_street_name",
        "cross": "off_street_address" if crosswise else "cross_street_name",
        "off": "cross_street_name" if crosswise else "off_street_address",
    }
    assert streets == [expected[re.split("[ _]", name)[0]] for name in given]


@pytest.mark.parametrize(
    ("columns", "date", "form", "other", "evidence"),
    [
        (snake(PORTAL), API_DATE, "portal", "API", f"its dates ({API_DATE})"),
        (snake(OLDER), API_DATE, "older portal", "API", f"its dates ({API_DATE})"),
        (AS_THE_API_NUMBERS, PORTAL_DATE, "API", "portal", f"its dates ({PORTAL_DATE})"),
        (AS_THE_API_NUMBERS, ISO_DATE, "API", "portal", "the order of its columns"),
        ([*API, "vehicle_type_code_1", "vehicle_type_code_2"], API_DATE, "API", "portal", "other column names"),
        (API, PORTAL_DATE, "API", "portal", f"its dates ({PORTAL_DATE})"),
        (snake(PORTAL)[::-1], "," * 28 + ISO_DATE, "portal", "API", "the order of its columns"),
    ],
)
def test_where_the_streets_may_be_crossed_the_file_is_refused(
    columns: list[str], date: str, form: str, other: str, evidence: str
) -> None:
    with pytest.raises(SourceError) as refused:
        header_of(columns, date)
    told = str(refused.value)
    assert told.startswith(
        f"x, line 1: looks like the {form} form by its column names, but like the {other} form by {evidence}, and"
        " the two forms use "
    )
    assert "land the file as published, or name all columns as the " in told
    assert "portal does (CROSS STREET NAME, OFF STREET NAME …)" in told


def test_a_dataset_with_crosswise_names_says_how_each_form_writes_dates() -> None:
    with pytest.raises(StageError, match="form API names columns as portal names others, so date_patterns must tell"):
        replace(DATASET, date_patterns={"portal": "x", "older portal": "x"})


def test_dates_of_both_forms_are_refused() -> None:
    with pytest.raises(SourceError, match="the API form by its column names, but like the portal form by its dates"):
        header_of(API, *[API_DATE] * 50, PORTAL_DATE)


def test_a_date_of_the_other_form_is_refused_wherever_it_is() -> None:
    header = header_of(API, API_DATE)
    text = "".join(f"{date}{',' * 28}\n" for date in (API_DATE, ISO_DATE, "", "soon", PORTAL_DATE))
    with pytest.raises(SourceError, match=r"^x, line 9004: its date 03/05/2024 is written as in the portal form"):
        read_rows("x", header, block(text, first_line=9000))
    assert len(read_rows("x", header_of(PORTAL), block(text)).table) == 5


def test_a_stray_quote_hides_no_date() -> None:
    with pytest.raises(SourceError, match="like the portal form by its dates"):
        header_of(API, f'{ISO_DATE},8:15,"QUEENS', PORTAL_DATE)


def test_a_column_named_twice_in_two_spellings_is_refused() -> None:
    with pytest.raises(SourceError, match="x, line 1: duplicate columns: Crash Date, crash_date"):
        header_of(["Crash Date", *snake(PORTAL)], PORTAL_DATE)


def test_beside_a_published_name_another_spelling_is_an_unknown_column() -> None:
    assert header_of([*PORTAL, "borough"], PORTAL_DATE).unknown == ["borough"]


def test_columns_without_a_name_are_called_by_their_number() -> None:
    header = header_of(["", *PORTAL, "", ""])
    assert (header.columns, header.unknown, header.empty) == (
        ["column 1", *PORTAL, "column 31", "column 32"],
        ["column 1"],
        ("column 31", "column 32"),
    )


@pytest.mark.parametrize("name", ["_line", "_source", "_extracted_at"])
def test_a_name_of_the_raw_layers_own_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match=f"x, line 1: columns have names that the raw layer uses itself: {name}"):
        read_header("x", io.BytesIO((",".join([*PORTAL, name]) + "\n").encode()), DATASET)


# --- rows ---------------------------------------------------------------------------------------------


def test_values_stay_the_text_that_they_are() -> None:
    text = '007, padded ,"a ""b"", c"\nNA,null,"None"\n,"",NaN\n'
    expected = [
        {"a": "007", "b": " padded ", "c": 'a "b", c'},
        {"a": "NA", "b": "null", "c": "None"},
        {"a": None, "b": None, "c": "NaN"},
    ]
    for read in (csv_file._read_sound(HEADER, block(text)), csv_file._read_carefully("x", HEADER, block(text))):
        assert told(read) == (expected, [2, 3, 4], [])


@pytest.mark.parametrize("distance", [1, 2, 9, 10, 50])
def test_two_stray_quotes_in_a_column_swallow_nothing_between_them(distance: int) -> None:
    """Quotes and fields are right in number, and a value of many lines explains the lines."""
    lines = [f"{number},b,c" for number in range(100)]
    lines[10], lines[10 + distance] = '10,"b,c', f'{10 + distance},"b,c'
    records, numbers, rejects = told(read_rows("x", HEADER, block("\n".join(lines) + "\n", first_line=0)))
    assert rejects == [(10, "malformed_quoting"), (10 + distance, "malformed_quoting")]
    assert (
        [int(record["a"]) for record in records] == numbers == [n for n in range(100) if n not in (10, 10 + distance)]
    )


def test_a_field_of_several_lines_counts_its_lines() -> None:
    text = '1,"x\n,  \ny",3\n4,5,6\n7,"8\n",9\n10,11,12'
    for read in (csv_file._read_sound(HEADER, block(text)), csv_file._read_carefully("x", HEADER, block(text))):
        assert told(read)[1] == [2, 5, 6, 8]


def test_bad_records_are_rejected_alone() -> None:
    text = '1,2,3\n4,5\n\n6,7,8,9\n"10,11,12\n13,14,15\n'
    records, lines, rejects = told(read_rows("x", HEADER, block(text, first_line=100)))
    assert [record["a"] for record in records] == ["1", "13"]
    assert lines == [100, 105]
    assert rejects == [(101, "wrong_number_of_fields"), (103, "wrong_number_of_fields"), (104, "malformed_quoting")]


@pytest.mark.parametrize(
    ("text", "line"), [("1,2,3\n4,5", 3), ('1,2,3\n4,"5', 3), ("1,2,3\n\n4", 4), ('1,"\n",3\n4,5', 4)]
)
def test_a_file_that_ends_in_a_record_is_truncated(text: str, line: int) -> None:
    with pytest.raises(SourceError, match=f"x, line {line}: the file is truncated"):
        read_rows("x", HEADER, block(text))


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n", "\n\n\n"])
def test_blank_lines_are_not_rows(text: str) -> None:
    assert told(read_rows("x", HEADER, block(text)))[:2] == ([], [])
    assert split_by_month(read_rows("x", HEADER, block(text)), "a", DATASET) == ({}, [])


FIELDS = ["", "x", "7", " ", '"y"', '"a,b"', '"a\nb"', '"\n\n"', '"q""q"', '""', "é", '"ü\r\nö"', "\x7f"]
ODD_FIELDS = ['in"ch', '"be"hind']


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("seed", range(30))
def test_the_quick_and_the_careful_way_agree(seed: int, separator: str) -> None:
    """Of generated blocks, sound and unsound: where the quick way gives an answer, it is the careful one's."""
    rng = random.Random(seed)
    header = replace(HEADER, separator=separator)
    answered = 0
    for _ in range(40):
        unsound = rng.random() < 0.4
        fields = [*FIELDS, *ODD_FIELDS, '"stray'] if unsound else FIELDS + ODD_FIELDS
        lines = []
        for _ in range(rng.randrange(12)):
            size = rng.choice([2, 3, 4]) if unsound and rng.random() < 0.2 else 3
            lines.append(separator.join(rng.choice(fields) for _ in range(size)))
            if unsound and rng.random() < 0.2:
                lines.append("")
        ending = rng.choice(["\n", "\r\n"])
        given = block(ending.join(lines) + (ending if lines and rng.random() < 0.8 else ""))
        quick = csv_file._read_sound(header, given)
        if quick is not None:
            answered += 1
            assert told(quick) == told(csv_file._read_carefully("x", header, given)), given.data
    assert answered > 5


# --- blocks -------------------------------------------------------------------------------------------


def read_whole(path: Path, header: Header, block_bytes: int) -> tuple[list[dict[str, str]], list[int]]:
    records: list[dict[str, str]] = []
    lines: list[int] = []
    for piece in read_blocks("x", path, header, block_bytes):
        some, at, rejects = told(read_rows("x", header, piece))
        assert not rejects
        records += some
        lines += at
    return records, lines


@pytest.mark.parametrize("seed", range(10))
def test_where_a_file_is_cut_makes_no_difference(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    text = "\n".join(",".join(rng.choice(FIELDS) for _ in COLUMNS) for _ in range(40)) + rng.choice(["", "\n"])
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b,c\n" + text.encode())
    whole = read_whole(path, HEADER, 1 << 20)
    for block_bytes in (1, 7, 64, 200):
        assert read_whole(path, HEADER, block_bytes) == whole
    pieces = list(read_blocks("x", path, HEADER, 50))
    assert b"".join(piece.data for piece in pieces) == text.encode()


@pytest.mark.parametrize("ending", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("block_bytes", [1, 2, 7, 64, 1 << 20])
def test_however_lines_end_they_are_the_same_lines(tmp_path: Path, ending: str, block_bytes: int) -> None:
    lines = ["a,b,c", *(f'{number},"x{ending}\n",' if number % 3 else "" for number in range(20))]
    path = tmp_path / "x.csv"
    path.write_bytes(ending.join([*lines, ""]).encode())
    header = replace(HEADER, offset=5 + len(ending), carriage_returns=ending == "\r")
    records, at = read_whole(path, header, block_bytes)
    assert [int(record["a"]) for record in records] == [number for number in range(20) if number % 3]
    breaks = 1 if ending == "\r" else 2  # a CR before an LF is one line break with it
    before = [sum(1 + breaks * (earlier % 3 > 0) for earlier in range(number)) for number in range(20)]
    assert at == [2 + before[number] for number in range(20) if number % 3]


@pytest.mark.parametrize("block_bytes", [1, 64, 1 << 20])
def test_a_compressed_file_has_the_same_lines(tmp_path: Path, block_bytes: int) -> None:
    text = "a,b,c\n" + "".join(f'{number},"\n",\n' for number in range(100))
    (tmp_path / "plain.csv").write_text(text)
    (tmp_path / "zipped.csv").write_bytes(gzip.compress(text.encode()))
    plain, zipped = (read_whole(tmp_path / f"{name}.csv", HEADER, block_bytes) for name in ("plain", "zipped"))
    assert plain == zipped
    assert len(plain[0]) == 100


def test_lines_are_counted_over_blocks(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n" + "".join(f'{number},"\n",\n' for number in range(100)))
    records, lines = read_whole(path, HEADER, 64)
    assert lines == [2 + 2 * int(record["a"]) for record in records]
    assert len(records) == 100


def test_a_stray_quote_costs_its_record_and_little_time(tmp_path: Path) -> None:
    """It turns the inside of all quotes behind it outside."""
    path = tmp_path / "x.csv"
    path.write_text(crashes_csv(rows(4000)).replace("MAIN", '"MAIN', 1))
    header = read_header("x", path.open("rb"), DATASET)
    started = time.monotonic()
    found = [told(read_rows("x", header, piece)) for piece in read_blocks("x", path, header, 1 << 15)]
    assert time.monotonic() - started < 20
    assert [reject for *_, rejects in found for reject in rejects] == [(2, "malformed_quoting")]
    assert [line for _, lines, _ in found for line in lines] == list(range(3, 4002))


@pytest.mark.parametrize("stray", ["QUEENS", "MAIN"])
def test_a_stray_quote_costs_no_record_at_the_next_cut(tmp_path: Path, stray: str) -> None:
    """Where values have line breaks: behind it the number of quotes is even inside them, where no block must end."""
    path = tmp_path / "x.csv"
    records = rows(300, LOCATION="Queens, NY\n(40.75, -73.9)\n")
    path.write_text(crashes_csv(records).replace(stray, f'"{stray}', 1))
    header = read_header("x", path.open("rb"), DATASET)
    for block_bytes in (1 << 11, 1 << 12, 1 << 14, 1 << 20):
        found = [told(read_rows("x", header, piece)) for piece in read_blocks("x", path, header, block_bytes)]
        assert [int(row["COLLISION_ID"]) for some, *_ in found for row in some] == list(range(2, 301))
        assert [line for *_, rejects in found for line, _ in rejects] == [2, 3, 4]


# --- months -------------------------------------------------------------------------------------------


def test_rows_are_split_by_month_in_the_files_order() -> None:
    text = "02/01/2024,1,\n01/31/2024,2,\n,3,\n2024-02-29T00:00:00.000,4,\nsoon,5,\n01/01/2024,6,\n"
    months, rejects = split_by_month(read_rows("x", HEADER, block(text)), "a", DATASET)
    assert {month: (table["b"].to_pylist(), table["_line"].to_pylist()) for month, table in months.items()} == {
        "2024-01": (["2", "6"], [3, 7]),
        "2024-02": (["1", "4"], [2, 5]),
    }
    assert sorted((reject.line, reject.reason) for reject in rejects) == [
        (4, "crash_date_missing"),
        (6, "crash_date_unreadable"),
    ]
