"""scripts/metrics on lakes in which runs have ended well, failed, or never were; and what the documents say of it."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from collisions_ops import cli
from lake import REPOSITORY, STAGES, Lake
from ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from stages.lake import keys

PUBLISHED = "collisions_warehouse_published_timestamp_seconds"
OPERATIONS = (REPOSITORY / "docs/operations.md").read_text()
Samples = dict[tuple[str, ...], float]
Scrape = Callable[..., Samples]


def samples(text: str) -> Samples:
    """Name and labels' values, in the order of their names → value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scrape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Scrape:
    """Runs scripts/metrics on a lake; what it prints, as Prometheus understands it."""

    def run(lake: Lake) -> Samples:
        capsys.readouterr()
        assert cli.main(["metrics"], {**lake.environment, "STATE": str(tmp_path / "state")}) == 0
        return samples(capsys.readouterr().out)

    return run


def land(lake: Lake, sample: Callable[..., list[Path]]) -> None:
    for file in sample("--rows=60", "--start=2024-01-01", "--end=2024-02-20"):
        lake.land(file)


def test_an_empty_lake_has_no_warehouse_and_no_run(lake: Lake, scrape: Scrape) -> None:
    found = scrape(lake)
    assert found.pop(("collisions_lake_up",)) == 1
    assert found[PUBLISHED,] == 0
    assert set(found.values()) == {0}


def test_a_stage_of_an_old_run_that_is_repeated_by_hand_is_not_the_last_run(
    folder_lake: Lake, sample: Callable[..., list[Path]], scrape: Scrape
) -> None:
    folder_lake.land("no,header\n1,2\n", "bad.csv")
    assert folder_lake.stage("ingest_raw", "--run-id=old").code == 65
    folder_lake.wipe("landing/crashes/bad.csv")
    land(folder_lake, sample)
    folder_lake.run("--run-id=good")
    assert folder_lake.stage("ingest_raw", "--run-id=old").code == 0
    found = scrape(folder_lake)
    assert found["collisions_last_run_success",] == found["collisions_last_run_info", "good"] == 1


def test_a_good_run_shows_with_its_rows_and_a_failed_one_after_it_with_its_stage(
    lake: Lake, sample: Callable[..., list[Path]], scrape: Scrape
) -> None:
    land(lake, sample)
    began = time.time()
    lake.run("--run-id=good")
    good = scrape(lake)
    assert began - 2 < good[PUBLISHED,] < time.time() + 2  # S3 has whole seconds
    assert good["collisions_last_run_success",] == good["collisions_last_run_info", "good"] == 1
    rows = lake.one("select count(*) from fct_collisions")
    assert good["collisions_warehouse_rows", "crashes"] == rows
    assert good["collisions_last_run_written_rows", "crashes", "model_analytics"] == rows
    ledger = "select rows_in, quarantined, superseded from meta_stages where dataset = 'crashes' and stage = ?"
    for stage in STAGES:
        counted = [
            good[f"collisions_last_run_{part}_rows", "crashes", stage] for part in ("read", "quarantined", "superseded")
        ]
        assert counted == list(lake.ask(ledger.replace("?", f"'{stage}'"))[0])
        assert 0 < good["collisions_last_run_stage_duration_seconds", stage] < time.time() - began
        assert good["collisions_stage_failed_timestamp_seconds", stage] == 0

    lake.land("no,crashes\n1,2\n", "broken.csv")
    assert lake.stage("ingest_raw", "--run-id=bad").code == 65
    bad = scrape(lake)
    assert bad["collisions_last_run_success",] == 0
    assert bad["collisions_last_run_info", "bad"] == 1
    assert [bad["collisions_last_run_stage_failed", stage] for stage in STAGES] == [1, 0, 0, 0]
    assert (
        bad["collisions_stage_failed_timestamp_seconds", "ingest_raw"]
        == bad["collisions_last_run_ended_timestamp_seconds",]
    )
    for still in ((PUBLISHED,), ("collisions_warehouse_rows", "crashes")):
        assert bad[still] == good[still]  # so its age grows on

    lake.wipe("landing/crashes/broken.csv")
    time.sleep(1.1)  # S3 has whole seconds
    lake.run("--run-id=bad")
    mended = scrape(lake)
    assert mended["collisions_last_run_success",] == 1
    assert mended[PUBLISHED,] > good[PUBLISHED,]
    assert mended["collisions_stage_failed_timestamp_seconds", "ingest_raw"] > 0


def test_a_run_that_was_killed_stays_unfinished_and_the_last_one_is_the_one_before(
    folder_lake: Lake, sample: Callable[..., list[Path]], scrape: Scrape
) -> None:
    land(folder_lake, sample)
    folder_lake.run("--run-id=good")
    began = time.time()
    folder_lake.run("--run-id=killed", stages=STAGES[:2])
    found = scrape(folder_lake)
    assert found["collisions_last_run_info", "good"] == 1
    assert began <= found["collisions_unfinished_run_started_timestamp_seconds",] < time.time()


# --- the ways to Prometheus -------------------------------------------------------------------------------


def test_a_scrape_reads_the_lake_anew_and_says_where_it_cannot(folder_lake: Lake, tmp_path: Path) -> None:
    root = Path(folder_lake.environment["COLLISIONS_LAKE"])
    with subprocess.Popen(
        [sys.executable, "-m", "collisions_ops", "metrics", "--listen", str(free := free_port())],
        cwd=REPOSITORY,
        env={**folder_lake.environment, "STATE": str(tmp_path / "state"), "PYTHONPATH": ".:scripts", "PATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            address = f"http://127.0.0.1:{free}/metrics"
            assert server.stderr.readline() == f"{address}, until Ctrl-C\n"
            assert get(address)[PUBLISHED,] == 0
            folder_lake.store.put(keys.WAREHOUSE, b"a warehouse")
            assert time.time() - 60 < get(address)[PUBLISHED,] < time.time() + 1
            root.rename(root.with_name("away"))
            root.write_text("no folder")
            assert get(address) == {("collisions_lake_up",): 0}
            assert "not a readable folder" in server.stderr.readline()
        finally:
            server.send_signal(signal.SIGINT)
    assert server.returncode == 130


def test_a_port_that_is_taken_is_said(folder_lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = {**folder_lake.environment, "STATE": str(tmp_path)}
        assert cli.main(["metrics", "--listen", str(port)], environ) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_the_file_for_node_exporter_is_replaced_whole_by_the_documents_own_line(
    folder_lake: Lake, tmp_path: Path
) -> None:
    [line] = re.findall(r"^\*/5 \* \* \* \* (.*)$", OPERATIONS, re.MULTILINE)
    words = shlex.split(line)
    assert words[words.index("&&") + 1] == "scripts/metrics"
    arguments = [word for word in words[words.index("scripts/metrics") + 1 :] if word != "--cluster"]
    assert arguments[0] == "--textfile"
    file = tmp_path / Path(arguments[1]).name
    for _ in range(2):
        assert cli.main(["metrics", "--textfile", str(file)], {**folder_lake.environment, "STATE": str(tmp_path)}) == 0
    assert samples(file.read_text())[PUBLISHED,] == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".prom" or ".prom." in path.name] == [file.name]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--textfile=/no/such/folder/a.prom"], 1, "there is no folder /no/such/folder"),
        (["--textfile=a.txt"], 2, "files that end in .prom"),
        (["--textfile=a.prom", "--listen=9000"], 2, "not both"),
        (["--listen=0"], 2, "--listen"),
        (["--cluster"], 1, ""),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    folder_lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    environ = {**folder_lake.environment, "STATE": str(tmp_path), "PATH": ""}
    assert cli.main(["metrics", *arguments], environ) == code
    assert message in capsys.readouterr().err


def test_a_lake_that_cannot_be_read_is_an_error_and_leaves_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lake").write_text("no folder")
    (tmp_path / "a.prom").write_text("as it was")
    environ = {"COLLISIONS_LAKE": str(tmp_path / "lake"), "STATE": str(tmp_path / "state")}
    assert cli.main(["metrics", "--textfile", str(tmp_path / "a.prom")], environ) == 1
    assert "not a readable folder" in capsys.readouterr().err
    assert (tmp_path / "a.prom").read_text() == "as it was"


# --- what the documents say -------------------------------------------------------------------------------


def test_every_metric_is_in_the_documents_table_and_the_alerts_name_metrics_that_exist(
    folder_lake: Lake, sample: Callable[..., list[Path]], scrape: Scrape
) -> None:
    land(folder_lake, sample)
    folder_lake.run()
    exported = {name for name, *_ in scrape(folder_lake)}
    assert set(re.findall(r"^\| `(collisions_\w+)", OPERATIONS, re.MULTILINE)) == exported

    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", OPERATIONS, re.DOTALL)]
    [rules] = [block["groups"] for block in blocks if "groups" in block]
    alerts = {rule["alert"]: rule for group in rules for rule in group["rules"]}
    for rule in alerts.values():
        assert set(re.findall(r"collisions_\w+", rule["expr"])) <= exported
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["labels"]["severity"]
        assert rule["annotations"].keys() == {"summary", "description"}
    stale = alerts["CollisionsWarehouseStale"]["expr"]
    assert f"time() - {PUBLISHED} > 36 * 3600" in stale
    assert f"absent({PUBLISHED})" in stale


def get(address: str) -> Samples:
    with urllib.request.urlopen(address, timeout=60) as answer:
        return samples(answer.read().decode())
