"""Bad files and bad rows: each with its error or its reason, and every row accounted for."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lake import PORTAL, STAGES, Lake, WatchedStore, crashes_csv, failing, rows

from stages.lake import keys

COLUMNS = PORTAL
NOW = datetime(2024, 9, 16, tzinfo=UTC)
SOUND = crashes_csv(rows(30))
HEADER = SOUND.splitlines()[0]
ROW = SOUND.splitlines()[1]


# --- files that cannot be read: the stage fails at once, names file and line, and publishes nothing -------


BAD_FILES: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "the file is empty"),
    "blank lines only": ("\n\n\n", "line 1: no header in the first line"),
    "no header": (
        SOUND.partition("\n")[2],
        "line 1: is a row, not a header (03/05/2024, 8:15, QUEENS, 11101, 40.75 …); put the published header above it",
    ),
    "lines above the header": (
        "Motor Vehicle Collisions\n\n" + SOUND,
        "line 1: is not the header, which is line 3; delete everything above it",
    ),
    "another separator": (
        "CRASH DATE|CRASH TIME|BOROUGH\n1|2|3\n",
        "line 1: not a crashes file: none of its 1 columns",
    ),
    "another table": ("CITY,STATE,TOTAL\nNew York,NY,3\n", "line 1: not a crashes file: none of its 3 columns (CITY,"),
    "the city's vehicles": (
        "UNIQUE_ID,COLLISION_ID,CRASH_DATE,CRASH_TIME,VEHICLE_ID,STATE_REGISTRATION,VEHICLE_TYPE,VEHICLE_MAKE\n",
        "line 1: not a crashes file: by its columns it is one of vehicles (Motor Vehicle Collisions - Vehicles",
    ),
    "the city's persons": (
        "unique_id,collision_id,crash_date,crash_time,person_id,person_type,person_injury,vehicle_id,person_age\n",
        "line 1: not a crashes file: by its columns it is one of persons (Motor Vehicle Collisions - Person",
    ),
    "column missing": (
        crashes_csv(rows(3), [name for name in COLUMNS if name != "COLLISION_ID"]),
        "line 1: required columns are missing: COLLISION_ID (read as the portal form)",
    ),
    "columns missing of the API's form": (
        "crash_date,crash_time,collision_id\n2024-03-05T00:00:00.000,8:15,1\n",
        "line 1: required columns are missing: borough, zip_code",
    ),
    "column twice": (SOUND.replace("LOCATION", "BOROUGH", 1), "line 1: duplicate columns: BOROUGH"),
    "header cut": (HEADER[: len(HEADER) // 2], "line 1: required columns are missing"),
    "cut in a row": (SOUND[:-20], "line 31: the file is truncated"),
    "cut in a quoted field": (SOUND + '03/05/2024,8:15,"QUEE', "line 32: the file is truncated"),
    "cut in a field of many lines": (SOUND + '03/05/2024,8:15,"QUEENS\n\nand', "the file is truncated"),
    "Latin-1": (SOUND.replace("MAIN", "MAÏN", 1).encode("latin-1"), "line 2: is not UTF-8 text"),
    "Latin-1 header": (SOUND.replace("BOROUGH", "BÖROUGH").encode("latin-1"), "line 1: is not UTF-8 text"),
    "UTF-16": (SOUND.encode("utf-16"), "is not CSV: it looks like UTF-16 text; save it as CSV UTF-8"),
    "NUL bytes in a row": (SOUND.replace("MAIN", "MA\0IN", 1), "line 2: contains NUL bytes"),
    "NUL bytes at the end": (SOUND + "\0" * 4096, "line 32: contains NUL bytes"),
    "NUL bytes in the header": (SOUND.replace("BOROUGH", "BORO\0UGH"), "line 1: is not CSV: it contains NUL bytes"),
    "gzip, cut": (gzip.compress(SOUND.encode())[:-20], "the file is truncated: its gzip data is incomplete"),
    "gzip, damaged": (gzip.compress(SOUND.encode())[:-8] + b"x" * 8, "is damaged: its gzip data cannot be unpacked"),
    "gzip of a cut file": (gzip.compress(SOUND[:-20].encode()), "line 31: the file is truncated"),
    "gzip of a PDF": (gzip.compress(b"%PDF-1.7\n"), "is not CSV: it looks like a PDF"),
    "gzip twice": (gzip.compress(gzip.compress(SOUND.encode())), "is not CSV: it looks like gzip"),
    "zip": (b"PK\x03\x04" + b"\x00" * 100, "is not CSV: it looks like a zip archive"),
    "parquet": (b"PAR1" + b"\x00" * 100, "is not CSV: it looks like parquet"),
    "PDF": (b"%PDF-1.7\n", "is not CSV: it looks like a PDF"),
    "an error page": ("<html><body>503</body></html>\n", "is not CSV: it looks like HTML or XML"),
    "an error of the API": (
        '{"code": "throttled", "error": true}\n',
        "is not CSV: it looks like JSON",
    ),
    "JSON": ('[{"crash_date": "2024-03-05"}]\n', "is not CSV: it looks like JSON"),
    "a value below no name": (
        SOUND.replace("\n", ",,\n").replace("Sedan,,,,,,", "Sedan,,,,,,x", 3).replace("x", "", 2),
        "line 4: column 31 has no name in the header, but holds 'x'; name it or empty it",
    ),
    "random bytes": (bytes(range(1, 256)) * 100, "line 1: "),
    "one endless line": ("x" * 3_000_000, "line 1: "),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_with_its_line(folder_lake: Lake, kind: str) -> None:
    content, problem = BAD_FILES[kind]
    folder_lake.land(SOUND, "good.csv")
    folder_lake.land(content, "bad.csv")
    done = folder_lake.stage("ingest_raw")
    assert done.code == 65, done.log
    assert done.last.startswith(
        "ERROR: ingest_raw crashes: 1 of 2 landed files cannot be read: landing/crashes/bad.csv"
    )
    assert problem in done.last
    assert "good.csv" not in done.last
    refused = folder_lake.stage("transform_clean")
    assert refused.code == 65
    assert "ingest_raw has not finished" in refused.last


def test_every_bad_file_is_named(folder_lake: Lake) -> None:
    folder_lake.land("", "a.csv")
    folder_lake.land("<html>", "b.csv")
    done = folder_lake.stage("ingest_raw")
    assert done.code == 65
    assert "a.csv: the file is empty" in done.last
    assert "b.csv: is not CSV" in done.last


def test_a_bad_file_leaves_the_published_warehouse_as_it_is(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "good.csv")
    folder_lake.run()
    before = folder_lake.listing("_runs/", "landing/")
    folder_lake.land(SOUND[:-20], "bad.csv")
    assert folder_lake.stage("ingest_raw").code == 65
    assert folder_lake.listing("_runs/", "landing/") == before
    folder_lake.wipe("landing/crashes/bad.csv")
    folder_lake.run()


# --- files that are odd, but sound ------------------------------------------------------------------


ODD_FILES: dict[str, bytes | str] = {
    "CRLF": SOUND.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + SOUND,
    "no final newline": SOUND.rstrip("\n"),
    "blank lines": SOUND.replace("\n", "\n\n"),
    "blank lines at the end": SOUND + "\n\r\n\n",
    "every field quoted": re.sub(r"(?<=,)[^,\"\n]+(?=,)", r'"\g<0>"', SOUND),
    "text behind a closing quote": SOUND.replace("MAIN STREET", '"MAIN" STREET', 3),
    "quotes within a field": SOUND.replace("MAIN STREET", 'MAIN "THE" STREET', 3),
    "one quote within a field": SOUND.replace("MAIN STREET", 'MAIN 5" STREET', 3),
    "columns in another order": crashes_csv(rows(30), COLUMNS[::-1]),
    "without the optional LOCATION": crashes_csv(rows(30), [name for name in COLUMNS if name != "LOCATION"]),
    "blanks around the header's names": SOUND.replace("BOROUGH", " BOROUGH ", 1),
    "semicolons": crashes_csv(rows(30), separator=";"),
    "tabs": crashes_csv(rows(30), separator="\t"),
    "carriage returns alone": SOUND.replace("\n", "\r"),
    "carriage returns twice": SOUND.replace("\n", "\r\r\n"),
    "gzip": gzip.compress(SOUND.encode()),
    "gzip in two parts": gzip.compress(SOUND[:999].encode()) + gzip.compress(SOUND[999:].encode()),
    "Excel's first line": "sep=,\n" + SOUND,
    "Excel's first line, semicolons": ("\ufeffsep=;\n" + crashes_csv(rows(30), separator=";")).replace("\n", "\r\n"),
    "Excel's first line, quoted": '"sep=,"\n' + SOUND,
    "empty columns at the end": SOUND.replace("\n", ",,,\n"),
    "blanks in empty columns at the end": SOUND.replace("\n", ",, ,\n").replace(",, ,", ",,,", 1),
    "a column of row numbers": "".join(f"{n or ''},{line}\n" for n, line in enumerate(SOUND.splitlines())),
    "names in lower case with _": SOUND.replace(HEADER, HEADER.lower().replace(" ", "_")),
    "names with dots": SOUND.replace(HEADER, HEADER.replace(" ", ".").title()),
    "all at once": gzip.compress(
        ("sep=;\r" + crashes_csv(rows(30), separator=";").replace("\n", ";;\r").replace("CRASH ", "crash.")).encode()
    ),
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_an_odd_file_is_read_whole(folder_lake: Lake, kind: str) -> None:
    folder_lake.land(ODD_FILES[kind], "odd.csv")
    folder_lake.run()
    assert folder_lake.ask("select rows_in, rows_out from meta_stages") == [(30, 30)] * 4
    assert folder_lake.one("select count(distinct collision_id) from fct_collisions") == 30


def test_what_was_found_is_told_in_words(folder_lake: Lake) -> None:
    snake = SOUND.replace(HEADER, HEADER.lower().replace(" ", "_"))
    found: dict[str, tuple[bytes | str, str]] = {
        "plain": (SOUND, "portal"),
        "snake": (snake, "portal, columns respelled"),
        "semicolons": (crashes_csv(rows(3), separator=";"), "portal, separated by semicolons"),
        "mac": (SOUND.replace("\n", "\r"), "portal, lines ending in CR"),
        "zipped": (gzip.compress(SOUND.encode()), "portal, gzip"),
        "excel": ("sep=,\n" + SOUND.replace("\n", ",,\n"), "portal, Excel's sep= line above, 2 empty columns left out"),
    }
    for name, (content, _) in found.items():
        folder_lake.land(content, f"{name}.csv", NOW)
    folder_lake.run()
    told = dict(folder_lake.ask("select file, form from meta_sources"))
    assert told == {f"landing/crashes/{name}.csv": form for name, (_, form) in found.items()}


WRITTEN: dict[
    str, tuple[Callable[[str], bytes | str], int]
] = {  # how a file is written → where its 11th row is told to be
    "gzip": (lambda text: gzip.compress(text.encode()), 12),
    "carriage returns alone": (lambda text: text.replace("\n", "\r"), 12),
    "Excel's first line": (lambda text: "sep=,\n" + text, 13),
    "Excel's first line and carriage returns": (lambda text: "sep=,\r" + text.replace("\n", "\r"), 13),
    "empty columns at the end": (lambda text: text.replace("\n", ",,\n"), 12),
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW.replace("MAIN", '"MAIN'), "malformed_quoting"),
        ("--- end of page 1 ---", "wrong_number_of_fields"),
        (ROW.replace("03/05/2024", "soon"), "crash_date_unreadable"),
    ],
)
def test_a_bad_row_has_its_line_however_the_file_is_written(
    folder_lake: Lake, kind: str, row: str, reason: str
) -> None:
    written, at = WRITTEN[kind]
    lines = SOUND.splitlines()
    folder_lake.land(written("\n".join([*lines[:11], row, *lines[11:], ""])), "a.csv", NOW)
    folder_lake.run()
    (found,) = folder_lake.quarantined("ingest_raw")
    assert (found["line"], found["reason"]) == (at, reason)
    assert folder_lake.one("select count(*) from fct_collisions") == 30


def test_the_older_portal_export_says_what_the_portals_does(tmp_path: Path) -> None:
    older = SOUND.replace("CRASH DATE,CRASH TIME", "DATE,TIME", 1).replace("COLLISION_ID", "UNIQUE KEY", 1)
    contents = []
    for name, text in (("portal", SOUND), ("older", older)):
        lake = Lake(lake=str(tmp_path / name))
        lake.land(text, "a.csv", NOW)
        lake.run()
        contents.append(lake.contents())
    assert contents[0] == contents[1]


def respelled(text: str) -> str:
    header, _, below = text.partition("\n")
    return f"{header.swapcase().replace(' ', '_')}\n{below}"


def in_other_words(text: str) -> str:
    """The same rows as another program has them: respelled, and with tabs for commas."""
    output = io.StringIO()
    csv.writer(output, delimiter="\t", lineterminator="\r\n").writerows(csv.reader(io.StringIO(respelled(text))))
    return output.getvalue()


@pytest.mark.parametrize("name", ["crashes_2024-06-30_week_asof_2024-09-16.csv", "crashes_api_500.csv"])
@pytest.mark.parametrize("rewrite", [respelled, in_other_words])
def test_a_real_extract_says_the_same_after_a_program_has_rewritten_it(
    tmp_path: Path, extract: Callable[[str], Path], name: str, rewrite: Callable[[str], str]
) -> None:
    published = extract(name).read_bytes().decode()
    contents = []
    for folder, text in (("as published", published), ("rewritten", rewrite(published))):
        lake = Lake(lake=str(tmp_path / folder))
        lake.land(text, "a.csv", datetime(2026, 3, 1, tzinfo=UTC))
        lake.run()
        contents.append(lake.contents())
    assert contents[0] == contents[1]


def test_the_citys_persons_are_no_crashes(folder_lake: Lake, extract: Callable[[str], Path]) -> None:
    folder_lake.land(extract("persons_quoted_2026_1023.csv"))
    done = folder_lake.stage("ingest_raw")
    assert done.code == 65
    assert "not a crashes file: by its columns it is one of persons" in done.last
    assert "move it to landing/persons/" in done.last


def test_unknown_columns_stay_in_raw_and_are_reported(folder_lake: Lake) -> None:
    records = [record | {"WEATHER": "rain"} for record in rows(3)]
    folder_lake.land(crashes_csv(records, [*COLUMNS, "WEATHER"]), "a.csv")
    log = folder_lake.run()
    assert "WARNING: landing/crashes/a.csv: unknown columns, kept in raw only: WEATHER" in log
    assert "WEATHER" in folder_lake.one("select unknown_columns from meta_sources")
    (raw,) = folder_lake.store.list("raw/crashes/crash_month=2024-03/")
    assert b"WEATHER" in folder_lake.store.read(raw.key)


def test_a_header_and_no_rows_is_a_file_without_rows(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "good.csv")
    folder_lake.land(HEADER + "\n", "none.csv")
    folder_lake.land(HEADER + "\n\n\r\n", "blank.csv")
    log = folder_lake.run()
    for name in ("none", "blank"):
        assert f"WARNING: landing/crashes/{name}.csv: has a header but no rows" in log
    assert folder_lake.one("select count(*) from fct_collisions") == 30


# --- rows ---------------------------------------------------------------------------------------------


def line(**changes: str) -> str:
    return crashes_csv(rows(1, 1000, **changes)).splitlines()[1]


QUARANTINED = {
    "too few fields": (ROW.rsplit(",", 3)[0], "ingest_raw", "wrong_number_of_fields"),
    "too many fields": (ROW + ",,", "ingest_raw", "wrong_number_of_fields"),
    "not a row at all": ("--- end of page 1 ---", "ingest_raw", "wrong_number_of_fields"),
    "quote left open, then nothing": ('03/05/2024,8:15,"QUEENS', "ingest_raw", "malformed_quoting"),
    "quote left open": (line(ON_STREET_NAME="@").replace("@", '"MAIN'), "ingest_raw", "malformed_quoting"),
    "no date": (line(CRASH_DATE=""), "ingest_raw", "crash_date_missing"),
    "impossible day": (line(CRASH_DATE="02/30/2024"), "ingest_raw", "crash_date_unreadable"),
    "impossible month": (line(CRASH_DATE="13/01/2024"), "ingest_raw", "crash_date_unreadable"),
    "date of another form": (line(CRASH_DATE="5 March 2024"), "ingest_raw", "crash_date_unreadable"),
    "date with a time of another zone": (
        line(CRASH_DATE="2024-03-05T03:15:00Z"),
        "ingest_raw",
        "crash_date_unreadable",
    ),
    "null word for a date": (line(CRASH_DATE="NA"), "ingest_raw", "crash_date_missing"),
    "date before the records": (line(CRASH_DATE="06/30/2012"), "transform_clean", "crash_date_before_records"),
    "date of year 1": (line(CRASH_DATE="01/01/0001"), "transform_clean", "crash_date_before_records"),
    "date after the extraction": (line(CRASH_DATE="09/18/2024"), "transform_clean", "crash_date_after_extraction"),
    "date of year 9999": (line(CRASH_DATE="12/31/9999"), "transform_clean", "crash_date_after_extraction"),
    "no id": (line(COLLISION_ID=""), "transform_clean", "collision_id_missing"),
    "blank id": (line(COLLISION_ID="  "), "transform_clean", "collision_id_missing"),
    "id of letters": (line(COLLISION_ID="47A1093"), "transform_clean", "collision_id_malformed"),
    "negative id": (line(COLLISION_ID="-5"), "transform_clean", "collision_id_malformed"),
    "id zero": (line(COLLISION_ID="0"), "transform_clean", "collision_id_malformed"),
    "id with decimals": (line(COLLISION_ID="4710.5"), "transform_clean", "collision_id_malformed"),
    "endless id": (line(COLLISION_ID="9" * 30), "transform_clean", "collision_id_malformed"),
    "negative count": (line(NUMBER_OF_PERSONS_INJURED="-1"), "transform_clean", "count_negative"),
    "absurd count": (line(NUMBER_OF_PERSONS_KILLED="9999"), "transform_clean", "count_absurd"),
    "endless count": (line(NUMBER_OF_PERSONS_KILLED="9" * 400), "transform_clean", "count_absurd"),
    "count of letters": (line(NUMBER_OF_CYCLIST_INJURED="two"), "transform_clean", "count_malformed"),
    "count with decimals": (line(NUMBER_OF_MOTORIST_KILLED="1.5"), "transform_clean", "count_malformed"),
}


@pytest.mark.parametrize("kind", QUARANTINED)
def test_a_bad_row_is_quarantined_with_its_reason_line_and_text(folder_lake: Lake, kind: str) -> None:
    text, stage, reason = QUARANTINED[kind]
    lines = SOUND.splitlines()
    folder_lake.land("\n".join([*lines[:11], text, *lines[11:], ""]), "a.csv", NOW)
    folder_lake.run()
    (found,) = folder_lake.quarantined(stage)
    assert (found["source"], found["line"], found["reason"]) == ("a", 12, reason)
    if found["text"] != text:
        (fields,) = csv.reader([text])
        assert set(filter(None, fields)) - {"(40.75, -73.9)"} <= set(filter(None, json.loads(found["text"]).values()))
    assert folder_lake.one("select count(*) from fct_collisions") == 30
    ledger = dict.fromkeys(STAGES, 0) | {stage: 1}
    assert dict(folder_lake.ask("select stage, quarantined from meta_stages")) == ledger
    assert folder_lake.ask("select rule, rows from meta_rules") == [(reason, 1)]
    assert folder_lake.one("select sum(rows) from meta_sources") == 31


UNKNOWN = {
    "impossible time": ({"CRASH_TIME": "24:75"}, "crash_time", "crash_time_unreadable"),
    "time of words": ({"CRASH_TIME": "noon"}, "crash_time", "crash_time_unreadable"),
    "no place on Earth": ({"LATITUDE": "0", "LONGITUDE": "0"}, "latitude", "coordinates_zero"),
    "zeros of another spelling": ({"LATITUDE": "0.0", "LONGITUDE": "0.000"}, "latitude", "coordinates_zero"),
    "another city": ({"LATITUDE": "42.36", "LONGITUDE": "-71.06"}, "latitude", "coordinates_outside_city"),
    "off the map": ({"LONGITUDE": "-201.2"}, "longitude", "coordinates_outside_city"),
    "half a pair": ({"LONGITUDE": ""}, "latitude", "coordinates_malformed"),
    "degrees and minutes": ({"LATITUDE": "40°45'"}, "latitude", "coordinates_malformed"),
    "not a number": ({"LATITUDE": "four"}, "latitude", "coordinates_malformed"),
    "another state": (
        {"BOROUGH": "HOBOKEN", "LATITUDE": "", "LONGITUDE": ""},
        "fct_collisions.borough",
        "borough_not_of_the_city",
    ),
    "short ZIP code": ({"ZIP_CODE": "1110"}, "zip_code", "zip_code_malformed"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_bad_value_is_unknown_and_counted(folder_lake: Lake, kind: str) -> None:
    changes, column, rule = UNKNOWN[kind]
    folder_lake.land(crashes_csv(rows(30) + rows(1, 1000, **changes)), "a.csv", NOW)
    folder_lake.run()
    facts = f"select {column} from fct_collisions where collision_id ="
    assert folder_lake.one(f"{facts} 1000") is None
    assert folder_lake.one(f"{facts} 1") is not None
    assert folder_lake.ask("select rule, rows from meta_rules") == [(rule, 1)]
    assert folder_lake.one("select count(*) from fct_collisions") == 31


def test_an_unknown_count_stays_unknown(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(1, NUMBER_OF_PERSONS_INJURED="", NUMBER_OF_PERSONS_KILLED="")), "a.csv", NOW)
    folder_lake.run()
    assert folder_lake.ask("select persons_injured, persons_killed, severity from fct_collisions") == [(None,) * 3]


def test_strange_characters_do_no_harm(folder_lake: Lake) -> None:
    given = ["PE\ufffdA BOULEVARD", "CANAL STREET\x7f", 'THE "HUB"', "A,B", "O'NEIL\\", "🚲 LANE"]
    for number, street in enumerate(given):
        folder_lake.land(crashes_csv(rows(1, number + 1, ON_STREET_NAME=street)), f"{number}.csv", NOW)
    folder_lake.run()
    streets = "select street_1 from collisions order by collision_id"
    assert [street for (street,) in folder_lake.ask(streets)] == [
        *("PE\ufffdA BOULEVARD", "CANAL STREET", 'THE "HUB"', "A,B", "ONEIL\\", "🚲 LANE")
    ]


def test_a_bad_row_at_the_end_is_quarantined(folder_lake: Lake) -> None:
    folder_lake.land(SOUND + '03/05/2024,8:15,"QUEENS\n\n', "a.csv", NOW)
    folder_lake.run()
    found = [(row["line"], row["reason"]) for row in folder_lake.quarantined("ingest_raw")]
    assert found == [(32, "malformed_quoting")]


# --- too much of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "change"), [("ingest_raw", {"CRASH_DATE": "never"}), ("transform_clean", {"COLLISION_ID": ""})]
)
def test_more_bad_rows_than_allowed_publish_nothing(folder_lake: Lake, stage: str, change: dict[str, str]) -> None:
    folder_lake.land(SOUND, "good.csv", NOW)
    folder_lake.run()
    before = folder_lake.contents()
    folder_lake.land(crashes_csv(rows(90, 100) + rows(10, 500, **change)), "bad.csv", NOW)
    for name in STAGES[: STAGES.index(stage)]:
        assert folder_lake.stage(name).code == 0
    for _ in range(2):  # a second try says the same
        done = folder_lake.stage(stage)
        assert done.code == 65
        assert "10 of 1" in done.last
        assert "landing/crashes/bad.csv: 10 of 100 rows quarantined" in done.last
        assert "That is more than COLLISIONS_MAX_QUARANTINE_RATIO=0.05 of the rows" in done.last
        assert f"quarantine/{stage}/crashes" in done.last
    assert len(folder_lake.quarantined(stage)) == 10
    for name in STAGES[STAGES.index(stage) + 1 :]:
        assert folder_lake.stage(name).code == 65
    assert folder_lake.contents() == before
    folder_lake.environment["COLLISIONS_MAX_QUARANTINE_RATIO"] = "0.2"
    folder_lake.run()
    assert folder_lake.one("select count(*) from fct_collisions") == 120


def test_exactly_as_many_bad_rows_as_allowed_pass(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(95) + rows(5, 500, COLLISION_ID="")), "a.csv", NOW)
    folder_lake.run()
    assert folder_lake.one("select count(*) from fct_collisions") == 95


# --- the landing --------------------------------------------------------------------------------------


def test_nothing_landed_is_an_error(lake: Lake) -> None:
    done = lake.stage("ingest_raw")
    assert done.code == 65
    assert "no landed files" in done.last
    assert "landing/crashes" in done.last


def test_other_files_in_landing_are_ignored(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "good.csv")
    for name in ("README.txt", "crashes.csv.part", "crashes.xlsx", "csv", "crashes.gz", "crashes.csv.zip"):
        folder_lake.land(b"\x00", name)
    log = folder_lake.run()
    assert "WARNING: landing/crashes/README.txt: not a .csv or .csv.gz file; ignored" in log
    assert folder_lake.one("select count(*) from meta_sources") == 1


def test_names_of_any_kind_are_kept_apart(folder_lake: Lake) -> None:
    names = [
        "a b.csv",
        "a_b.csv",
        "ä b.csv",
        "sub/a.csv",
        "sub_a.csv",
        "A.CSV",
        "a=b&c.csv",
        "a.csv.csv",
        "a.csv",
        "a.CSV",
        "a.csv.gz",
        "a.CSV.GZ",
    ]
    for number, name in enumerate(names):
        folder_lake.land(crashes_csv(rows(2, 10 * number + 1)), name)
    folder_lake.run()
    assert folder_lake.one("select count(*) from fct_collisions") == 2 * len(names)
    assert folder_lake.one("select count(*) from meta_sources") == len(names)


@pytest.mark.parametrize(
    "metadata",
    [
        {"extracted-at": "yesterday"},
        {"extracted-at": "2024-09-16T10:00:00"},
        {"covers-start": "2024-03-01"},
        {"covers-start": "March", "covers-end": "April"},
        {"covers-start": "2024-04-01", "covers-end": "2024-03-01"},
    ],
)
def test_malformed_metadata_is_named(lake: Lake, metadata: dict[str, str]) -> None:
    lake.store.put("landing/crashes/a.csv", SOUND.encode(), metadata=metadata)
    done = lake.stage("ingest_raw")
    assert done.code == 65
    assert "landing/crashes/a.csv: its metadata is malformed" in done.last


# --- what a stage finds of the one before -----------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_refuses_to_start_before_the_one_before(folder_lake: Lake, stage: str) -> None:
    folder_lake.land(SOUND, "a.csv")
    for name in STAGES[: STAGES.index(stage) - 1]:
        folder_lake.stage(name)
    done = folder_lake.stage(stage)
    assert done.code == 65
    assert f"{STAGES[STAGES.index(stage) - 1]} has not finished" in done.last


LEFT = {
    "transform_clean": "raw/crashes/crash_month=2024-03/a.parquet",
    "transform_curated": "clean/crashes/crash_month=2024-03/data.parquet",
    "model_analytics": "curated/collisions/crash_month=2024-03/data.parquet",
}


@pytest.mark.parametrize("stage", LEFT)
@pytest.mark.parametrize("harm", ["changed", "deleted", "added"])
def test_a_stage_refuses_what_is_not_as_the_one_before_left_it(lake: Lake, stage: str, harm: str) -> None:
    lake.land(SOUND, "a.csv")
    lake.run(stages=STAGES[: STAGES.index(stage)])
    store, key = lake.store, LEFT[stage]
    if harm == "changed":
        store.put(key, store.read(key) + b" ")
    elif harm == "deleted":
        store.delete(key)
    else:
        key = key.replace("2024-03", "2024-04")
        store.put(key, b"")
    done = lake.stage(stage)
    assert done.code == 65
    assert key in done.last
    assert f"run {STAGES[STAGES.index(stage) - 1]} of run by-hand_first_last again" in done.last


def test_a_stage_refuses_the_manifest_of_another_scope(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "a.csv")
    assert folder_lake.stage("ingest_raw", "--run-id=x").code == 0
    done = folder_lake.stage("transform_clean", "--run-id=x", "--start=2024-03-01", "--end=2024-04-01")
    assert done.code == 65
    assert "scope" in done.last


def test_a_scope_without_rows_is_an_empty_run(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "a.csv")
    folder_lake.run()
    before = folder_lake.contents()
    folder_lake.run("--start=2020-01-01", "--end=2020-02-01")
    assert folder_lake.contents() == before


def test_an_empty_first_run_publishes_nothing(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "a.csv")
    assert "WARNING" in folder_lake.run("--start=2020-01-01", "--end=2020-02-01")
    assert not folder_lake.store.list("warehouse/")


# --- the command line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_stage"], "no_such_stage"),
        (["ingest_raw", "--start=yesterday"], "'yesterday' is not a date"),
        (["ingest_raw", "--start=2024-03-02", "--end=2024-03-01"], "is not before"),
        (["ingest_raw", "--dataset", "weather"], "weather"),
        (["ingest_raw", "--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_arguments_are_named(folder_lake: Lake, arguments: list[str], message: str) -> None:
    done = folder_lake.stage(*arguments)
    assert done.code == 78
    assert done.last.startswith("ERROR: ")
    assert message in done.last


def test_wrong_settings_are_named(folder_lake: Lake) -> None:
    done = folder_lake.stage("ingest_raw", lkae="x", max_quarantine_ratio="lots")
    assert done.code == 78
    assert "COLLISIONS_LKAE: no such setting" in done.last
    assert "COLLISIONS_MAX_QUARANTINE_RATIO 'lots'" in done.last


def test_a_lake_that_may_not_be_written_is_a_wrong_setting(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "a.csv")
    error = PermissionError(errno.EROFS, "Read-only file system", "/some/file")
    done = folder_lake.stage("ingest_raw", store=WatchedStore(folder_lake.store, "put", "", failing(error)))
    assert done.code == 78
    assert "Read-only file system" in done.last
    assert "must be writable" in done.last


def test_two_files_that_would_be_one_source_are_refused(folder_lake: Lake) -> None:
    folder_lake.land(SOUND, "a.CSV")
    folder_lake.land(SOUND, "a.CSV.csv")
    done = folder_lake.stage("ingest_raw")
    assert done.code == 65
    assert "rename one of them" in done.last


def test_a_damaged_record_is_named_and_can_be_removed(folder_lake: Lake) -> None:
    folder_lake.land(crashes_csv(rows(30)), "one.csv")
    folder_lake.run("--run-id=one")
    before = folder_lake.contents()
    sources, manifest = keys.sources("crashes"), keys.manifest("one", "ingest_raw", "crashes")
    damaged = [b"", b'{"a": ', b"[1]", b"null", b"\xff"]
    for key, stage, contents in (
        (sources, "ingest_raw", [*damaged, b'{"a": {}}']),
        (manifest, "model_analytics", [*damaged, b"{}", b"[]"]),
    ):
        for content in contents:
            folder_lake.store.put(key, content)
            done = folder_lake.stage(stage, "--run-id=two")
            assert done.code == 65
            assert f"{folder_lake.store.describe(key)}: damaged, or not a record of this pipeline" in done.last
            assert "; remove it: " in done.last
        folder_lake.store.delete(key)
    folder_lake.run("--run-id=two")
    assert folder_lake.contents() == before
