"""The samples of vehicles and persons: they agree with the sample's collisions, and have the published quirks."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from collisions_ops.sample import main

from stages.datasets import registry

Row = dict[str, str]
Files = dict[str, list[Row]]
COLLISIONS = 4000


def read(folder: Path) -> Files:
    """Dataset → its rows."""
    found: Files = {}
    for path in sorted(folder.glob("*/*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            found.setdefault(path.parent.name, []).extend(csv.DictReader(file))
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("sample")
    main([f"--rows={COLLISIONS}", "--start=2024-05-01", "--end=2024-05-20", str(folder)])
    return read(folder)


def test_there_are_as_many_records_for_a_collision_as_published(files: Files) -> None:
    assert len(files["crashes"]) == COLLISIONS
    assert len(files["vehicles"]) / COLLISIONS == pytest.approx(2.02, abs=0.06)
    assert len(files["persons"]) / COLLISIONS == pytest.approx(3.47, abs=0.12)
    for name in ("vehicles", "persons"):
        assert len({row["UNIQUE_ID"] for row in files[name]}) == len(files[name])


def test_a_few_references_dangle(files: Files) -> None:
    collisions = {row["COLLISION_ID"] for row in files["crashes"]}
    vehicles = {row["UNIQUE_ID"] for row in files["vehicles"]}
    for references, known in (
        ([row["COLLISION_ID"] for row in files["vehicles"]], collisions),
        ([row["COLLISION_ID"] for row in files["persons"]], collisions),
        ([row["VEHICLE_ID"] for row in files["persons"] if row["VEHICLE_ID"]], vehicles),
    ):
        assert 0.001 < sum(reference not in known for reference in references) / len(references) < 0.01


def test_whom_a_collision_counts_as_hurt_is_among_its_persons(files: Files) -> None:
    shown: Counter[tuple[str, str]] = Counter()
    for row in files["persons"]:
        shown[row["COLLISION_ID"], row["PERSON_INJURY"]] += 1
    agreeing = sum(
        (shown[row["COLLISION_ID"], "Injured"], shown[row["COLLISION_ID"], "Killed"])
        == (int(row["NUMBER OF PERSONS INJURED"] or 0), int(row["NUMBER OF PERSONS KILLED"] or 0))
        for row in files["crashes"]
    )
    assert agreeing / COLLISIONS > 0.98


def test_persons_who_are_named_only_are_unhurt(files: Files) -> None:
    named = [row for row in files["persons"] if row["PED_ROLE"] in {"Registrant", "Witness", "Owner"}]
    assert {row["PERSON_INJURY"] for row in named} == {"Unspecified"}
    assert len(named) > COLLISIONS


def test_blanks_come_at_about_the_published_rates(tmp_path: Path) -> None:
    main(["--rows=4000", "--dataset", "vehicles", "persons", "--", str(tmp_path)])
    found = read(tmp_path)

    def share(dataset: str, column: str) -> float:
        return sum(not row[column] for row in found[dataset]) / len(found[dataset])

    for dataset, column, published in (
        ("vehicles", "VEHICLE_MAKE", 0.431),
        ("vehicles", "VEHICLE_MODEL", 0.989),
        ("vehicles", "VEHICLE_YEAR", 0.437),
        ("vehicles", "DRIVER_SEX", 0.517),
        ("persons", "VEHICLE_ID", 0.042),
        ("persons", "PERSON_AGE", 0.113),
        ("persons", "PERSON_SEX", 0.11),
    ):
        assert share(dataset, column) == pytest.approx(published, abs=0.06), column


@pytest.mark.parametrize("name", ["vehicles", "persons"])
def test_the_forms_say_the_same(tmp_path: Path, name: str) -> None:
    options = ["--rows=100", "--start=2024-05-01", "--end=2024-05-20", f"--dataset={name}"]
    for form in ("portal", "quoted", "api"):
        main([*options, f"--form={form}", str(tmp_path / form)])
    portal, quoted, api = (read(tmp_path / form)[name] for form in ("portal", "quoted", "api"))
    assert portal == quoted
    for old, new in zip(portal, api, strict=True):
        month, day, year = old.pop("CRASH_DATE").split("/")
        assert new.pop("crash_date") == f"{year}-{month}-{day}T00:00:00.000"
        assert new == {column.lower(): value for column, value in old.items()}
    (dataset,) = (it for it in registry() if it.name == name)
    assert sorted(dataset.forms["API"]) == sorted([*api[0], "crash_date"])


def test_the_demo_has_every_defect_of_each_dataset_and_its_own_collisions(tmp_path: Path) -> None:
    main(["--demo", str(tmp_path)])
    for dataset in registry():
        lines = [line for path in (tmp_path / dataset.name).glob("*.csv") for line in path.read_text().splitlines()]
        for kind, variants in dataset.sample.DEFECTS.items():
            values = [value for variant in variants for value in variant.values() if value]
            assert all(any(value in line for line in lines) for value in values), kind
    found = read(tmp_path)
    collisions = {row.get("COLLISION_ID") or row.get("collision_id") for row in found["crashes"]}
    for name in ("vehicles", "persons"):
        known = [(row.get("COLLISION_ID") or row.get("collision_id")) in collisions for row in found[name]]
        assert sum(known) / len(known) > 0.98
