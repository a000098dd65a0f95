"""The sample generator: same seed, same bytes; the published forms; every defect; unique ids; extraction times."""

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from collisions_ops.sample import main

from stages.datasets.boroughs import NAMES, of_the_city

Row = dict[str, str]


def generate(folder: Path, *options: str) -> list[Path]:
    main([*options, "--dataset=crashes", str(folder)])
    return sorted(folder.glob("crashes/*.csv"))


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def records(path: Path) -> list[Row]:
    header, *rows = lines(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def extracted(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {path.name: path for path in generate(tmp_path_factory.mktemp("demo"), "--demo")}


def test_same_seed_same_bytes_and_times(tmp_path: Path) -> None:
    options = ("--rows=2000", "--start=2024-01-30", "--end=2024-03-02", "--defects=0.05")
    first, second, other = (
        generate(tmp_path / name, *options, f"--seed={seed}")[0] for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_mtime == second.stat().st_mtime
    assert first.read_bytes() != other.read_bytes()


@pytest.mark.parametrize("split", ["none", "year", "day"])
def test_a_split_cuts_the_same_rows_and_dates_each_file_after_them(tmp_path: Path, split: str) -> None:
    options = ("--rows=800", "--start=2023-12-20", "--end=2024-01-10")
    whole = lines(generate(tmp_path / "whole", *options)[0])
    files = generate(tmp_path / split, *options, f"--split={split}")
    assert len(files) == {"none": 1, "year": 2, "day": 21}[split]
    assert [row for path in files for row in lines(path)[1:]] == whole[1:]
    for path in files:
        last = max(datetime.strptime(row["CRASH DATE"], "%m/%d/%Y").replace(tzinfo=UTC) for row in records(path))
        assert timedelta(days=1) <= extracted(path) - last < timedelta(days=3)


def test_ids_are_unique_over_files_and_do_not_follow_the_date(tmp_path: Path) -> None:
    files = [
        generate(tmp_path / start, "--rows=2000", f"--start={start}", f"--end={end}")[0]
        for start, end in (("2024-05-01", "2024-05-15"), ("2024-05-15", "2024-06-01"))
    ]
    ids = [int(row["COLLISION_ID"]) for path in files for row in records(path)]
    assert len(set(ids)) == 4000
    assert ids != sorted(ids)


def test_ids_stay_unique_on_crowded_days(tmp_path: Path) -> None:
    rows = records(generate(tmp_path, "--rows=3000", "--start=2024-05-01", "--end=2024-05-02")[0])
    assert len({row["COLLISION_ID"] for row in rows}) == 3000


def test_portal_form_quotes_only_the_location(tmp_path: Path) -> None:
    path = generate(tmp_path, "--rows=300", "--start=2024-05-01", "--end=2024-06-01")[0]
    text = path.read_text()
    assert text.startswith("CRASH DATE,CRASH TIME,BOROUGH,ZIP CODE,")
    assert text.count('"') == 2 * sum(bool(row["LOCATION"]) for row in records(path))


def test_the_forms_say_the_same(tmp_path: Path) -> None:
    """The newer form quotes each field that is not blank; the API swaps two columns' names, not their contents."""
    options = ("--rows=300", "--start=2024-05-01", "--end=2024-06-01")
    portal, quoted, api = (
        records(generate(tmp_path / f, *options, f"--form={f}")[0]) for f in ("portal", "quoted", "api")
    )
    swapped = {"CROSS STREET NAME": "off_street_name", "OFF STREET NAME": "cross_street_name"}
    for old, new, other in zip(portal, quoted, api, strict=True):
        assert new == old | {"LOCATION": old["LOCATION"] and f"    {old['LOCATION']}"}
        assert other["location"] == (old["LOCATION"] and f"\n,  \n{old['LOCATION']}")
        month, day, year = old["CRASH DATE"].split("/")
        assert other["crash_date"] == f"{year}-{month}-{day}T00:00:00.000"
        for name in ("ON STREET NAME", "CROSS STREET NAME", "OFF STREET NAME"):
            assert other[swapped.get(name, "on_street_name")] == old[name]
    text = (tmp_path / "quoted/crashes/crashes_2024-05-01_2024-06-01.csv").read_text()
    assert all(field == "" or field[0] == field[-1] == '"' for field in text.splitlines()[0].split(","))
    assert ",0," not in text
    assert list(api[0])[7:10] == ["on_street_name", "off_street_name", "cross_street_name"]
    assert list(api[0])[23:27] == ["collision_id", "vehicle_type_code1", "vehicle_type_code2", "vehicle_type_code_3"]


def test_published_quirks_come_at_about_their_rates(tmp_path: Path) -> None:
    rows = records(generate(tmp_path, "--rows=20000", "--start=2014-01-01", "--end=2020-01-01")[0])

    def share(column: str, value: str = "") -> float:
        return sum(row[column] == value for row in rows) / len(rows)

    assert 0.28 < share("BOROUGH") < 0.34
    assert 0.08 < share("LATITUDE") < 0.13
    assert 0.001 < share("LATITUDE", "0") < 0.005
    assert 0.19 < share("ON STREET NAME") < 0.25
    assert 0.21 < share("CONTRIBUTING FACTOR VEHICLE 1", "Unspecified") < 0.26
    assert sum(row["ON STREET NAME"] != row["ON STREET NAME"].rstrip() for row in rows) > 2000
    assert {"PASSENGER VEHICLE", "Sedan"} <= {row["VEHICLE TYPE CODE 1"] for row in rows}
    assert 0.26 < sum(int(row["NUMBER OF PERSONS INJURED"] or 0) for row in rows) / len(rows) < 0.5


def test_coordinates_lie_in_the_borough_that_a_row_states(tmp_path: Path) -> None:
    rows = records(generate(tmp_path, "--rows=5000", "--start=2024-05-01", "--end=2024-06-01")[0])
    placed = [row for row in rows if float(row["LATITUDE"] or 0)]
    latitude, longitude = (np.array([float(row[name]) for row in placed]) for name in ("LATITUDE", "LONGITUDE"))
    found = [NAMES[number].upper() for number in of_the_city().containing(latitude, longitude)]
    stated = [(row["BOROUGH"], name) for row, name in zip(placed, found, strict=True) if row["BOROUGH"]]
    assert len(placed) - len(stated) > 500
    assert {name for name, _ in stated} == {name.upper() for name in NAMES}
    assert all(name == lies_in for name, lies_in in stated)


def test_demo_holds_every_defect(demo: dict[str, Path]) -> None:
    """Each kind strikes two rows of the month's file, so that the ledger of the demo has something to show."""
    header, *rows = lines(demo["crashes_2025-03.csv"])
    assert Counter(len(row) for row in rows) == {29: 2995, 25: 2, 31: 2}
    whole = [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]
    found = Counter(
        kind
        for row in whole
        for kind, wrong in {
            "id_missing": not row["COLLISION_ID"],
            "id_malformed": not row["COLLISION_ID"].isdigit() and row["COLLISION_ID"],
            "date_missing": not row["CRASH DATE"],
            "date_impossible": row["CRASH DATE"] in {"02/30/2025", "13/07/2025"},
            "time_impossible": row["CRASH TIME"] in {"24:75", "noon"},
            "count_negative": any(value.startswith("-") for name, value in row.items() if name.startswith("NUMBER")),
            "count_absurd": any(len(value) > 2 for name, value in row.items() if name.startswith("NUMBER")),
            "count_blank": any(not value for name, value in row.items() if name.startswith("NUMBER")),
            "coordinates_outside": row["LATITUDE"] == "42.360082" or row["LONGITUDE"] == "-201.23706",
            "replacement_character": "\ufffd" in row["ON STREET NAME"],
            "delete_character": "\x7f" in row["ON STREET NAME"],
        }.items()
        if wrong
    )
    assert set(found.values()) == {2}
    assert len(found) == 11
    assert sum(row["LOCATION"] == "(0.0, 0.0)" for row in whole) >= 2


def test_demo_has_a_newer_extract_that_revises(demo: dict[str, Path]) -> None:
    older, newer = demo["crashes_2025-03.csv"], demo["crashes_2025-03-10_week_revised.csv"]
    assert extracted(older) < extracted(newer)
    header, *rows = lines(older)
    known = {row[23]: dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)}
    changes: Counter[str] = Counter()
    for row in records(newer):
        before = known.get(row["COLLISION_ID"])
        if before is None:
            changes["new"] += 1
        else:
            changes.update(name for name in header if row[name] != before[name])
    assert changes == {"new": 1, "CRASH DATE": 1, "CRASH TIME": 1, "LATITUDE": 12, "LONGITUDE": 12, "LOCATION": 12}


def test_demo_shows_the_three_forms(demo: dict[str, Path]) -> None:
    assert [len(records(demo[f"crashes_{name}.csv"])) for name in ("2025-04-01_quoted", "2025-04-04_api")] == [300, 200]
    assert not demo["crashes_2025-03-10_week_revised.csv"].read_bytes().endswith(b"\n")


def test_defects_are_drawn_at_the_rate_asked_for(tmp_path: Path) -> None:
    options = ("--rows=4000", "--start=2024-05-01", "--end=2024-07-01")
    sound, spoiled = (lines(generate(tmp_path / rate, *options, f"--defects={rate}")[0]) for rate in ("none", "0.05"))
    assert 140 < sum(one != other for one, other in zip(sound, spoiled, strict=True)) < 260


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows=0"], "--rows"),
        (["--start=2024-02-01", "--end=2024-02-01"], "must be before"),
        (["--start=2001-01-01"], "not before 2012-07-01"),
        (["--defects=2"], "--defects"),
        (["--start=yesterday"], "--start"),
    ],
)
def test_wrong_arguments_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, str(tmp_path)])
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_files_are_overwritten_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "crashes" / "crashes_2012-07-01_2026-06-01.csv"
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(SystemExit, match="2"):
        main(["--rows=10", str(tmp_path)])
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert generate(tmp_path, "--rows=10", "--force") == [path]
    assert len(lines(path)) == 11


def test_the_command_tells_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(tmp_path, "--rows=10", "--start=2024-05-01", "--end=2024-05-02")
    said = capsys.readouterr().out
    assert "crashes/crashes_2024-05-01_2024-05-02.csv" in said
    assert "extracted 2024-05-02 10:00 UTC" in said
