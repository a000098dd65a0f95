"""scripts/fetch against a local server: by hand, what a run would fetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collisions_ops.cli import main
from lake import rows
from socrata.server import SocrataServer
from socrata.table import Table

from stages.datasets.crashes import DATASET

WEEK = ("--start", "2024-03-04", "--end", "2024-03-11")


@pytest.fixture
def server() -> Iterator[SocrataServer]:
    """A server with five collisions of 5 March 2024."""
    with SocrataServer([Table(DATASET, rows(5))]) as started:
        yield started


def fetch(server: SocrataServer, lake: Path, *arguments: str) -> int:
    environment = {"COLLISIONS_LAKE": str(lake), "COLLISIONS_SOURCE_URL": server.url, "STATE": str(lake.parent)}
    return main(["fetch", *arguments], environment)


def test_dates_are_landed_and_asked_for_once(server: SocrataServer, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch(server, tmp_path / "lake", *WEEK, "--dataset", "crashes") == 0
    (file,) = tmp_path.glob("lake/landing/crashes/*.csv")
    assert file.name.startswith("crashes_2024-02-26_2024-03-11_asof_")
    assert [kind for kind, _ in server.requests].count("page") == 1


def test_a_dry_run_prints_requests_and_counts_and_lands_nothing(
    server: SocrataServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(server, tmp_path / "lake", *WEEK, "--dataset", "crashes", "--dry-run") == 0
    said = capsys.readouterr().err
    assert said.index("select=:*,*") < said.index("select=count(*)")  # every request that it made
    assert "would fetch [2024-02-26, 2024-03-11): 5 rows in 1 request, the first being GET http://127.0.0.1" in said
    assert {kind for kind, _ in server.requests} == {"probe", "count"}
    assert not (tmp_path / "lake").exists()


def test_years_are_landed_a_file_for_each_stretch_of_them(server: SocrataServer, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch(server, tmp_path / "lake", "--years=2024,2021,2022", "--datasets=crashes") == 0
    names = sorted(file.name.partition("_asof_")[0] for file in tmp_path.glob("lake/landing/crashes/*.csv"))
    assert names == ["crashes_2020-12-25_2023-01-01", "crashes_2023-12-25_2025-01-01"]


def test_the_whole_table_comes_by_the_export(server: SocrataServer, tmp_path: Path) -> None:
    assert fetch(server, tmp_path / "lake", "--all", "--dataset", "crashes") == 0
    assert [file.name[:17] for file in tmp_path.glob("lake/landing/crashes/*.csv")] == ["crashes_all_asof_"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say which dates"),
        (["--start", "2024-03-05", "--end", "2024-03-05"], "no dates in [2024-03-05, 2024-03-05)"),
        (["--years", "2024", "--start", "2024-03-05"], "give the years or the dates, not both"),
        (["--years", "24"], "'24' is not a year"),
        (["--all", "--dataset", "nonsense"], "there is no dataset 'nonsense'; there are: crashes"),
        (["--all", "--datasets", "crashes,nonsense"], "there is no dataset 'nonsense'; there are: crashes"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_asked(
    server: SocrataServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert fetch(server, tmp_path / "lake", *arguments) == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert server.requests == []
