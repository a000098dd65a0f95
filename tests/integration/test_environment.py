"""scripts/env.sh: how .venv is made, by one process at a time, and what is said where that cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
UV = """#!/bin/sh
[ "$1" = --version ] && exit
echo "$@" >>"$CALLS"
[ -z "$FAILS" ] || { echo "error: could not connect to the index" >&2; exit 1; }
while [ -e "$CALLS.hold" ]; do sleep 0.05; done
"""
MAKE = ["bash", "-c", "set -euo pipefail; source scripts/env.sh; make_environment ops; echo made"]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with env.sh, one requirement and a uv that installs nothing."""
    for folder in ("scripts", "requirements", "bin"):
        (tmp_path / folder).mkdir()
    shutil.copy(REPOSITORY / "scripts/env.sh", tmp_path / "scripts")
    (tmp_path / "requirements/ops.txt").write_text("one==1\n")
    (tmp_path / "bin/uv").write_text(UV)
    (tmp_path / "bin/uv").chmod(0o755)
    return tmp_path


@pytest.fixture
def start(checkout: Path) -> Start:
    """Starts a set-up, with more settings."""

    def started(**more: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"STATE", "VENV"}}
        path = f"{checkout}/bin:{os.environ['PATH']}"
        environ = {**kept, "PATH": path, "PYTHON": sys.executable, "CALLS": f"{checkout}/calls", **more}
        return subprocess.Popen(
            MAKE, cwd=checkout, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return started


def result(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text().splitlines()


def test_the_first_call_says_that_it_sets_up_and_the_second_is_silent(checkout: Path, start: Start) -> None:
    code, out, err = result(start())
    assert (code, out) == (0, "made\n")
    assert err == f"setting up {checkout}/.venv from requirements/ops.txt, the first time or after a change\n"
    assert result(start()) == (0, "made\n", "")
    assert len(calls(checkout)) == 1
    assert not (checkout / ".venv.lock").is_symlink()


def test_a_second_set_up_waits_for_the_first_and_does_not_repeat_it(checkout: Path, start: Start) -> None:
    (checkout / "calls.hold").touch()
    first = start()
    assert first.stderr is not None
    assert first.stderr.readline().startswith("setting up")
    second = start()
    assert second.stderr is not None
    said = second.stderr.readline()
    assert said == f"another set-up of {checkout}/.venv is running (process {first.pid}); waiting for it\n"
    (checkout / "calls.hold").unlink()
    assert result(first)[:2] == (0, "made\n")
    assert result(second) == (0, "made\n", "")
    assert len(calls(checkout)) == 1


def test_the_lock_of_a_killed_set_up_holds_nobody_up(checkout: Path, start: Start) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (checkout / ".venv.lock").symlink_to(str(ended.pid))
    assert result(start())[:2] == (0, "made\n")


def test_a_damaged_environment_is_made_again(checkout: Path, start: Start) -> None:
    assert result(start())[0] == 0
    python = checkout / ".venv/bin/python"
    python.unlink()
    code, _, err = result(start())
    assert (code, "setting up" in err) == (0, True)
    assert python.exists()


def test_a_python_that_is_named_and_cannot_serve_is_refused(start: Start) -> None:
    code, out, err = result(start(PYTHON="/bin/false"))
    assert (code, out) == (1, "")
    assert "PYTHON=/bin/false cannot serve: it must be a Python 3.11 to 3.14" in err


def test_a_set_up_without_a_network_says_what_it_needs(checkout: Path, start: Start) -> None:
    code, _, err = result(start(FAILS="yes"))
    assert code == 1
    assert "could not install requirements/ops.txt: error: could not connect to the index" in err
    assert f"whole log: {checkout}/.collisions/environment.log" in err
    assert "UV_DEFAULT_INDEX=URL" in err
    assert result(start())[:2] == (0, "made\n")


def test_a_checkout_that_cannot_be_written_to_names_the_folders_to_set(checkout: Path, start: Start) -> None:
    (checkout / ".venv").touch()  # no folder can be made there, as on a read-only file system
    code, _, err = result(start())
    assert code == 1
    assert f"cannot write to {checkout}/.venv; name folders that can be written to: VENV=/some/venv STATE=" in err
    other = checkout / "elsewhere/venv"
    assert result(start(VENV=str(other), STATE=str(checkout / "state")))[:2] == (0, "made\n")
    assert (other / "installed-ops.txt").exists()


def test_an_environment_that_lacks_a_package_is_named_as_damaged() -> None:
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(REPOSITORY / 'scripts')!r});"
        " sys.argv = ['x', 'query']; runpy.run_module('collisions_ops', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is damaged (No module named 'typer'): delete it, and it is made again" in done.stderr
