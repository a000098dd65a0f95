"""Task logs have an age and a size: k8s/groom_logs.py."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest
from lake import REPOSITORY

NOW, DAY = 2_000_000_000.0, 86_400


@pytest.fixture(scope="module")
def groomer() -> ModuleType:
    """The script as the cluster runs it."""
    spec = importlib.util.spec_from_file_location("groom_logs", REPOSITORY / "k8s/groom_logs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, name: str, size: int, days_ago: float) -> Path:
    """A log of a size that last changed some days ago."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - days_ago * DAY,) * 2)
    return path


def test_old_logs_go_with_their_empty_folders(groomer: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, "run=1/task=a/attempt=1.log", 10, 20)
    kept = write(tmp_path, "run=2/task=a/attempt=1.log", 10, 14)
    groomer.groom(tmp_path, NOW, 15, 1000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    assert not (tmp_path / "run=1").exists()
    assert tmp_path.exists()


def test_above_the_ceiling_the_oldest_go_first(groomer: ModuleType, tmp_path: Path) -> None:
    logs = [write(tmp_path, f"run={days}/attempt=1.log", 100, days) for days in (5, 4, 3, 2, 1)]
    groomer.groom(tmp_path, NOW, 15, 250)
    assert [log.exists() for log in logs] == [False, False, False, True, True]


def test_below_the_ceiling_nothing_is_deleted(groomer: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, "a.log", 100, 1)
    assert groomer.groom(tmp_path, NOW, 15, 100) == []


def test_a_log_that_is_still_written_is_emptied_and_stays_for_its_writer(groomer: ModuleType, tmp_path: Path) -> None:
    huge = write(tmp_path, "run=1/attempt=1.log", 1000, 0)
    groomer.groom(tmp_path, NOW, 15, 500)
    assert huge.stat().st_size == 0


def test_other_files_and_links_are_left_alone(groomer: ModuleType, tmp_path: Path) -> None:
    data = write(tmp_path, "notes.txt", 1000, 100)
    (tmp_path / "latest.log").symlink_to(data)
    assert groomer.groom(tmp_path, NOW, 15, 10) == []
    assert data.exists()
