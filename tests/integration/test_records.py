"""Crashes, vehicles and persons together, from landed files to the published warehouse."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from collisions_ops.sample import main as generate
from lake import PUBLISHED, STAGES, Lake

from stages.warehouse import query

DATASETS = ("crashes", "persons", "vehicles")
FEBRUARY = ("--start=2024-02-01", "--end=2024-03-01")


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """Dataset → month → its generated file."""
    found: dict[str, dict[str, Path]] = {name: {} for name in DATASETS}
    for month, start, end in (("01", "2024-01-01", "2024-02-01"), ("02", "2024-02-01", "2024-03-01")):
        folder = tmp_path_factory.mktemp("sample")
        generate(["--rows=400", f"--start={start}", f"--end={end}", "--defects=0.01", str(folder)])
        for name in DATASETS:
            (found[name][month],) = folder.glob(f"{name}/*.csv")
    return found


def landed(lake: Lake, months: dict[str, dict[str, Path]], *without: tuple[str, str]) -> None:
    """Land every file but these, given by dataset and month."""
    for name, files in months.items():
        for month, file in files.items():
            if (name, month) not in without:
                lake.land(file, dataset=name)


def test_every_row_of_three_datasets_is_accounted_for_and_a_rerun_changes_nothing(
    folder_lake: Lake, months: dict[str, dict[str, Path]]
) -> None:
    landed(folder_lake, months)
    folder_lake.run()
    first, listing = folder_lake.contents(), folder_lake.listing("_runs/", "quarantine/checks/", PUBLISHED)
    ledger = folder_lake.ask("select dataset, stage, rows_in, rows_out + quarantined + superseded from meta_stages")
    assert {(dataset, stage) for dataset, stage, *_ in ledger} == {
        (name, stage) for name in DATASETS for stage in STAGES
    }
    assert all(rows_in == accounted > 0 for *_, rows_in, accounted in ledger)
    for table, dataset in (("fct_collisions", "crashes"), ("fct_persons", "persons"), ("fct_vehicles", "vehicles")):
        last = f"dataset = '{dataset}' and stage = 'model_analytics'"
        assert folder_lake.one(f"select count(*) from {table}") == folder_lake.one(
            f"select rows_out from meta_stages where {last}"
        )
    assert folder_lake.one("select count(*) from persons") == first["fct_persons"][0]
    assert folder_lake.one("select count(*) from vehicles") == first["fct_vehicles"][0]
    assert folder_lake.one("select count(*) from meta_quality where severity = 'error' and not passed") == 0
    folder_lake.run()
    assert (folder_lake.contents(), folder_lake.listing("_runs/", "quarantine/checks/", PUBLISHED)) == (first, listing)


def test_a_ready_query_of_a_year_takes_all_and_refuses_what_is_no_year(
    folder_lake: Lake, months: dict[str, dict[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    landed(folder_lake, months)
    folder_lake.run()
    of_years = [name for name, ready in query.ready_queries().items() if "year" in ready.parameters]
    assert of_years
    for name in of_years:
        answers = set()
        for year in ("all", "2024"):
            assert query.main(["--csv", name, f"year={year}"], folder_lake.environment) == 0
            answers.add(capsys.readouterr().out)
        assert len(answers) == 1
        assert query.main([name, "year=abcd"], folder_lake.environment) == 78
        said = capsys.readouterr().err
        assert f"{name} takes year: such as 2025, or all" in said
        assert "'abcd'" in said


def test_a_missing_month_of_one_dataset_is_backfilled_alone(
    folder_lake: Lake, months: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    whole = Lake(lake=str(tmp_path / "whole"))
    landed(whole, months)
    whole.run()
    landed(folder_lake, months, ("persons", "02"))
    folder_lake.run()
    before = folder_lake.listing("_runs/", "quarantine/checks/", PUBLISHED)
    folder_lake.land(months["persons"]["02"], dataset="persons")
    folder_lake.run(*FEBRUARY, "--run-id=backfill")
    after = folder_lake.listing("_runs/", "quarantine/checks/", PUBLISHED)
    changed = {key for key in after if after[key] != before.get(key) and not key.endswith("_sources.json")}
    assert changed
    assert all("persons" in key for key in changed)
    assert not any("2024-01" in key and "crash_month" in key for key in changed)
    assert folder_lake.contents() == whole.contents()


def test_a_collision_that_arrives_later_is_known_to_its_records(
    folder_lake: Lake, months: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    landed(folder_lake, months, ("crashes", "02"))
    folder_lake.run()
    unknown = "select count(*) from persons where not collision_known and month(crash_date) = 2"
    missing = folder_lake.one(unknown)
    assert missing == folder_lake.one("select count(*) from persons where month(crash_date) = 2")
    folder_lake.land(months["crashes"]["02"])
    folder_lake.run(*FEBRUARY, "--run-id=later")
    assert folder_lake.one(unknown) < missing / 20


def test_a_file_in_the_folder_of_another_dataset_is_refused_with_its_own_name(
    folder_lake: Lake, months: dict[str, dict[str, Path]]
) -> None:
    for name, others in (("crashes", "persons"), ("persons", "vehicles"), ("vehicles", "crashes")):
        folder_lake.wipe("landing/")
        folder_lake.land(months[name]["01"], dataset=others)
        done = folder_lake.stage("ingest_raw")
        assert done.code == 65
        assert f"not a {others} file: by its columns it is one of {name} (" in done.last
        assert f"move it to landing/{name}/" in done.last


def test_the_published_persons_beside_a_month_of_crashes(folder_lake: Lake, extract: Callable[[str], Path]) -> None:
    path = extract("persons_quoted_2026_1023.csv")
    folder_lake.land(path, dataset="persons")
    folder_lake.land(extract("crashes_2022-01.csv"))
    folder_lake.run()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert folder_lake.one("select count(*) from fct_persons") == len(rows)
    assert dict(folder_lake.ask("select role, count(*) from persons group by all")) == Counter(
        row["PED_ROLE"] for row in rows
    )
    belts = Counter(row["SAFETY_EQUIPMENT"] or "Not stated" for row in rows)
    assert dict(folder_lake.ask("select safety_equipment, count(*) from persons group by all")) == belts
    ages = Counter(int(row["PERSON_AGE"]) for row in rows if row["PERSON_AGE"])
    assert dict(folder_lake.ask("select age, count(*) from persons where age is not null group by all")) == ages
    assert folder_lake.ask("select sum(injured)::bigint, sum(killed)::bigint from persons") == [
        (sum(row["PERSON_INJURY"] == "Injured" for row in rows), 0)
    ]
    assert folder_lake.one("select count(*) from persons where collision_known") == 0
    (dangling,) = folder_lake.ask(
        "select failures from meta_quality where check_name like 'collision_id is in%' and table_name = 'fct_persons'"
    )
    assert dangling == (len(rows),)
    unmapped = "select failures from meta_quality where table_name = 'fct_persons' and check_name like '%vocabularies%'"
    assert folder_lake.one(unmapped) == 0
