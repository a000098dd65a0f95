"""Queries of the published warehouse: what is printed, and how a query ends that cannot be answered."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from stages.lake import keys
from stages.warehouse import query

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def lake(tmp_path: Path) -> dict[str, str]:
    """The environment of a lake whose warehouse has one table."""
    path = tmp_path / keys.WAREHOUSE
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as warehouse:
        warehouse.execute("create table numbers as from (values (985, 0.1::double), (null, 1e20)) as t (whole, part)")
    return {"COLLISIONS_LAKE": str(tmp_path)}


def add_to_warehouse(lake: dict[str, str], sql: str) -> None:
    with duckdb.connect(str(Path(lake["COLLISIONS_LAKE"], keys.WAREHOUSE))) as warehouse:
        warehouse.execute(sql)


def printed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_keeps_whole_numbers_whole_and_leaves_unknown_values_empty(
    lake: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert query.main(["--csv", "from numbers order by whole"], lake) == 0
    assert printed(capsys.readouterr().out) == [["whole", "part"], ["985", "0.1"], ["", "1e+20"]]


def test_csv_prints_moments_with_their_zone(lake: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select 1 as one, timestamptz '2024-01-01 12:00:00+00' as \"the moment\", null::timestamptz as never;"
    assert query.main(["--csv", sql], lake) == 0
    head, row = printed(capsys.readouterr().out)
    assert head == ["one", "the moment", "never"]
    assert row[0] == "1"
    assert row[1].startswith(("2024-01-01", "2023-12-31", "2024-01-02"))  # in the reader's zone
    assert row[2] == ""


def test_a_moment_is_shown_in_a_table_too(lake: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert query.main(["select timestamptz '2024-01-01 12:00+00' as moment"], lake) == 0
    assert "2024-01-01" in capsys.readouterr().out


def test_what_a_query_takes_is_said_only_where_the_query_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert query.main(["seat_belts", "year=2025"], {"COLLISIONS_LAKE": str(tmp_path)}) == 78
    said = capsys.readouterr().err
    assert "nothing is published yet" in said
    assert "takes year" not in said


def test_a_query_takes_parameters(lake: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select whole, $text as text, timestamptz '2024-01-01 12:00+00' as moment from numbers where whole = $number"
    assert query.main(["--csv", sql, "number=985", "text=a=b c"], lake) == 0
    _, row = printed(capsys.readouterr().out)
    assert row[:2] == ["985", "a=b c"]
    assert query.main(["select $text as text", "text=O'NEIL"], lake) == 0
    assert "O'NEIL" in capsys.readouterr().out


def test_the_help_lists_the_ready_queries_and_their_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert query.main([], {}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "with --cluster, the cluster's." in lines[-1]
    assert "  worst_corners    The twenty intersections with the most persons killed or injured." in lines
    assert lines[lines.index("                   date=…  the first day after, YYYY-MM-DD") - 3].startswith(
        "  before_after "
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "there is no ready query 'nope'; choose from: ages_and_roles, agreement, before_after"),
        (["select * from nowhere"], "the query failed: "),
        (
            ["before_after", "corner=A"],
            "before_after needs PARAMETER=VALUE for with (the other street); date (the first",
        ),
        (
            ["seat_belts", "yeark=2025"],
            "seat_belts has no parameter yeark (did you mean year?); its parameters: year",
        ),
        (["my queries/nope.sql"], "there is no file my queries/nope.sql"),
        (["ledger", "date=2024-01-01"], "ledger has no parameter date; its parameters: none"),
        (["ledger", "1"], "expected PARAMETER=VALUE, not '1'; quote SQL as one word"),
        (["select $a", "b=1"], "the query failed: "),
        (["create table t as select 1"], "the query failed: "),
    ],
)
def test_a_query_that_cannot_be_answered_ends_with_78(
    lake: dict[str, str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert query.main(arguments, lake) == 78
    assert message in capsys.readouterr().err


def test_a_check_or_a_query_of_ones_own_can_be_tried_from_its_file(
    lake: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.sql"
    file.write_text("-- Check: nothing holds\n-- Table: none\n-- Severity: error\nselect 1 as broken;")
    assert query.main(["--csv", str(file)], lake) == 0
    assert capsys.readouterr().out == "broken\n1\n"
    file.write_text("-- What is asked\n-- what: a word\nselect $what as answer")
    assert query.main([str(file)], lake) == 78
    assert "needs PARAMETER=VALUE for what (a word)" in capsys.readouterr().err
    assert query.main(["--csv", str(file), "what=yes"], lake) == 0
    assert capsys.readouterr().out == "answer\nyes\n"


def test_without_a_warehouse_the_error_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert query.main(["quality"], {"COLLISIONS_LAKE": str(tmp_path)}) == 78
    assert "nothing is published yet; run the pipeline first" in capsys.readouterr().err


def put_rejected(lake: dict[str, str], key: str, columns: str) -> None:
    """One rejected row in quarantine."""
    path = Path(lake["COLLISIONS_LAKE"], "quarantine", key)
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"copy (select {columns}) to '{path}'")


@pytest.mark.parametrize("published", [True, False], ids=["published", "nothing published"])
def test_rejected_rows_are_shown_with_file_line_reason_and_text_even_before_the_first_warehouse(
    published: bool, lake: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    if not published:
        Path(lake["COLLISIONS_LAKE"], keys.WAREHOUSE).unlink()
    row = "'{}' as source, {} as line, '{}' as reason, '{}' as text"
    put_rejected(lake, "transform_clean/things/2024-01.parquet", row.format("b", 7, "key_missing", "7,x"))
    put_rejected(lake, "ingest_raw/things/a.parquet", row.format("a", 3, "date_missing", "3,y"))
    put_rejected(lake, "checks/things_unique.parquet", "1 as id")
    landed = Path(lake["COLLISIONS_LAKE"], "landing/things/b.csv")
    landed.parent.mkdir(parents=True)
    landed.touch()
    assert query.main(["--csv", "rejected"], lake) == 0
    assert printed(capsys.readouterr().out) == [
        ["stage", "dataset", "source", "file", "line", "reason", "text"],
        ["transform_clean", "things", "b", "landing/things/b.csv", "7", "key_missing", "7,x"],
        ["ingest_raw", "things", "a", "", "3", "date_missing", "3,y"],
    ]


def test_people_are_shown_what_fits_a_terminal(lake: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("'persons_2025-03-10_week_revised' as source", "1 as line", "'collision_id_malformed' as reason")
    put_rejected(lake, "ingest_raw/persons/a.parquet", ", ".join([*columns, f"'{'x' * 500}' as text"]))
    assert query.main(["rejected"], lake) == 0
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) == 8  # a line for the row
    assert lines[-1] == "shortened; all rows and columns: --csv"
    assert query.main(["select unnest(range(201))"], lake) == 0
    assert capsys.readouterr().out.endswith("shortened; all rows and columns: --csv\n")
    assert query.main(["from numbers"], lake) == 0
    assert "shortened" not in capsys.readouterr().out


def put_failure(lake: dict[str, str], run: str, stage: str, message: str, seconds_later: float) -> None:
    """The record of a stage that failed so long after the warehouse was published."""
    root = Path(lake["COLLISIONS_LAKE"])
    path = root / keys.failure(run, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"run_id": run, "stage": stage, "failed_at": "2024-01-02T03:04:05.678901+00:00"}
    path.write_text(json.dumps(record | {"error": "ContractError", "message": message}))
    published = root / keys.WAREHOUSE
    moment = (published.stat().st_mtime if published.exists() else 1_700_000_000) + seconds_later
    os.utime(path, (moment, moment))


@pytest.mark.parametrize(
    ("seconds_later", "sql", "warned"),
    [
        (60, "select count(*) from meta_quality", True),
        (-60, "select count(*) from meta_quality", False),  # made good since
        (60, "from numbers", False),
    ],
)
def test_a_question_about_the_build_says_that_a_later_run_failed(
    lake: dict[str, str], capsys: pytest.CaptureFixture[str], seconds_later: int, sql: str, warned: bool
) -> None:
    add_to_warehouse(lake, "create table meta_quality (check_name text)")
    put_failure(lake, "b", "model_analytics", "the warehouse fails checks", seconds_later)
    assert query.main(["--csv", sql], lake) == 0
    warning = (
        "WARNING: this is the published build; since then run b failed in model_analytics at 2024-01-02T03:04:05 UTC:"
        " ContractError: the warehouse fails checks"
    )
    assert capsys.readouterr().err == (f"{warning}\n" if warned else "")


def test_without_a_warehouse_the_error_says_which_run_failed_last(
    lake: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(lake["COLLISIONS_LAKE"], keys.WAREHOUSE).unlink()
    put_failure(lake, "a", "transform_clean", "rows quarantined", 60)
    put_failure(lake, "b", "ingest_raw", "a.csv is truncated", 120)
    put_failure(lake, "a", "ingest_raw", "a.csv is empty", 0)
    assert query.main(["quality"], lake) == 78
    assert (
        "nothing is published yet; run the pipeline first; run b failed in ingest_raw at 2024-01-02T03:04:05 UTC, and 1"
        " more before it: ContractError: a.csv is truncated"
    ) in capsys.readouterr().err


def test_a_damaged_record_of_a_failure_is_named_and_the_answer_stands(
    lake: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    add_to_warehouse(lake, "create table meta_quality (check_name text)")
    put_failure(lake, "b", "model_analytics", "the warehouse fails checks", 60)
    record = Path(lake["COLLISIONS_LAKE"], keys.failure("b", "model_analytics"))
    moment = record.stat().st_mtime
    record.write_bytes(b"{}")
    os.utime(record, (moment, moment))
    assert query.main(["--csv", "select count(*) as checks from meta_quality"], lake) == 0
    said = capsys.readouterr()
    assert printed(said.out) == [["checks"], ["0"]]
    assert f"since then a run failed, and its record cannot be read: {record}: damaged" in said.err


def test_a_check_can_be_tried_on_the_published_warehouse(
    lake: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    add_to_warehouse(lake, "create table fct_persons as select unnest([1, 2, 2])::bigint as unique_id")
    assert query.main(["--csv", str(REPOSITORY / "stages/warehouse/checks/persons_unique.sql")], lake) == 0
    assert printed(capsys.readouterr().out) == [["unique_id", "rows"], ["2", "2"]]


def test_without_rejected_rows_the_answer_is_empty(lake: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert query.main(["--csv", "select count(*) as rows from rejected_rows"], lake) == 0
    assert printed(capsys.readouterr().out) == [["rows"], ["0"]]


def test_a_reader_that_stops_early_ends_the_query_quietly(lake: dict[str, str]) -> None:
    command = [sys.executable, "-m", "stages.warehouse.query", "--csv", "select range as number from range(1_000_000)"]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=os.environ | lake,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "number\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 0


def test_nothing_but_duckdb_is_needed_for_a_lake_in_a_folder(lake: dict[str, str]) -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'pandas', 'pyarrow', 'pytz', 'tqdm'): sys.modules[name] = None\n"
        "from stages.warehouse import query\n"
        "sys.exit(query.main(['--csv', 'select now() as moment, * from numbers'], {'COLLISIONS_LAKE': sys.argv[1]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, lake["COLLISIONS_LAKE"]],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
