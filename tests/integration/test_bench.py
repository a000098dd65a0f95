"""The benchmark, at a size that takes seconds: that it runs, checks what it measured and keeps the results."""

import json
import subprocess
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts/bench"
STAGES = ["ingest_raw", "transform_clean", "transform_curated", "model_analytics"]


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BENCH), *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_bench_measures_both_variants(tmp_path: Path) -> None:
    done = bench("--rows=5000", "--repeat=1", f"--dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["rows"] == 5000
    assert {"cores", "memory_mib", "python", "packages"} <= results["machine"].keys()
    assert list(results["variants"]) == ["one", "yearly"]
    for variant in results["variants"].values():
        assert variant["yardstick"]["seconds"] > 0
        for part in ("full", "daily"):
            assert list(variant[part]["stages"]) == STAGES
            assert all(10 < peak < 2000 for peak in variant[part]["peak_mib"].values())
    assert len(results["targets"]) == 5
    for target in results["targets"]:
        assert target["met"] == (target["value"] <= target["limit"])
        assert f"{'PASS' if target['met'] else 'MISS'}  {target['target']}" in done.stdout


def test_wrong_arguments_are_named() -> None:
    for argument in ("--rows=0", "--variant=monthly", "--repeat=none"):
        done = bench(argument)
        assert done.returncode == 2
        assert argument.split("=")[0] in done.stderr
