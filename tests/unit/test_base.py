"""What the stages stand on: scope and keys, settings, errors and exit codes, the row ledger, logs."""

from __future__ import annotations

import errno
import io
import os
import pty
import signal
import sys
import termios
from contextlib import redirect_stderr
from datetime import date
from pathlib import Path

import pytest
from lake import WatchedStore, failing

from stages import __main__ as command_line
from stages import errors, logs
from stages.errors import ConfigError, ContractError, SourceError, StageError
from stages.lake import keys
from stages.lake.ledger import Ledger
from stages.lake.scope import Scope
from stages.lake.store.folder import FolderStore
from stages.parallel import parallel
from stages.settings import Settings

# --- scope and keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "touched"),
    [
        (None, None, ["2023-12", "2024-01", "2024-02", "2024-03"]),
        (date(2024, 1, 31), date(2024, 2, 1), ["2024-01"]),
        (date(2024, 1, 31), date(2024, 2, 2), ["2024-01", "2024-02"]),
        (date(2024, 1, 1), None, ["2024-01", "2024-02", "2024-03"]),
        (None, date(2024, 1, 1), ["2023-12"]),
    ],
)
def test_a_scope_touches_the_months_of_its_days(start: date | None, end: date | None, touched: list[str]) -> None:
    scope = Scope(start, end)
    assert [month for month in ("2023-12", "2024-01", "2024-02", "2024-03") if scope.touches(month)] == touched


def test_a_scope_says_what_it_is() -> None:
    assert str(Scope()) == "everything"
    assert str(Scope(date(2024, 1, 1))) == "[2024-01-01, …)"
    assert str(Scope(date(2024, 1, 1), date(2024, 2, 1))) == "[2024-01-01, 2024-02-01)"


def test_keys_name_their_month() -> None:
    key = keys.partition("raw", "crashes", "2024-03", "week 1")
    assert keys.month_of(key) == "2024-03"
    assert keys.month_of(keys.sources("crashes")) is None


def test_safe_names_keep_names_apart_and_inside_their_folder() -> None:
    names = ["a", "a b", "a_b", "a/b", "../a", ".a", "ä", "A", "", "run__2026-01-01T00:00:00+00:00", "x" * 50]
    safe = [keys.safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert not [name for name in safe if "/" in name or name.startswith(".")]
    assert keys.safe_name("run__2026-01-01T00:00:00+00:00") == "run__2026-01-01T00:00:00+00:00"


# --- settings -----------------------------------------------------------------------------------------

S3 = {"COLLISIONS_LAKE": "s3://bucket/lake", "COLLISIONS_S3_ENDPOINT": "localhost:9000"}
S3 |= {"COLLISIONS_S3_ACCESS_KEY": "me", "COLLISIONS_S3_SECRET_KEY": "hidden"}


def test_settings_are_read_and_the_orchestrators_ignored() -> None:
    others = {
        "COLLISIONS_RUNTIME": "local",
        "COLLISIONS_STAGE_IMAGE": "i",
        "HOME": "/",
    }
    settings = Settings.from_environment(
        S3
        | others
        | {"COLLISIONS_S3_SECURE": "False", "COLLISIONS_S3_TIMEOUT_SECONDS": "5", "COLLISIONS_S3_REGION": ""}
    )
    assert (settings.s3_secure, settings.s3_timeout_seconds, settings.s3_region) == (False, 5, "us-east-1")
    assert settings.max_quarantine_ratio == 0.05
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"COLLISIONS_LAKE": ""}, ["COLLISIONS_LAKE: not set"]),
        ({"COLLISIONS_LAKE": "gs://bucket"}, ["COLLISIONS_LAKE 'gs://bucket'"]),
        ({"COLLISIONS_S3_ENDPOINT": " "}, ["COLLISIONS_S3_ENDPOINT: not set"]),
        ({"COLLISIONS_S3_SECURE": "yes"}, ["COLLISIONS_S3_SECURE 'yes': must be true or false"]),
        ({"COLLISIONS_MAX_QUARANTINE_RATIO": "5%"}, ["COLLISIONS_MAX_QUARANTINE_RATIO '5%'"]),
        ({"COLLISIONS_MAX_QUARANTINE_RATIO": "1.5"}, ["from 0 to 1"]),
        ({"COLLISIONS_MAX_QUARANTINE_RATIO": "nan"}, ["from 0 to 1"]),
        ({"COLLISIONS_S3_TIMEOUT_SECONDS": "0"}, ["COLLISIONS_S3_TIMEOUT_SECONDS '0'"]),
        ({"COLLISIONS_LAEK": "x", "COLLISIONS_S3_SECURE": "1"}, ["COLLISIONS_LAEK: no such setting", "S3_SECURE '1'"]),
        ({"COLLISIONS_lake": "x"}, ["COLLISIONS_lake: no such setting"]),
    ],
)
def test_every_wrong_setting_is_named(changes: dict[str, str], messages: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        Settings.from_environment(S3 | changes)
    for message in messages:
        assert message in str(raised.value)
    assert "hidden" not in str(raised.value)


# --- errors -------------------------------------------------------------------------------------------


def test_exit_codes_follow_the_tree() -> None:
    found = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    codes = {name: kind.exit_code for name, kind in found.items() if issubclass(kind, StageError)}
    assert codes == {
        "StageError": 70, "TransientError": 75, "StoreUnavailable": 75, "SourceUnavailable": 75,
        "PreconditionFailed": 75,
        "DataError": 65, "SourceError": 65, "ContractError": 65, "ObjectMissing": 65,
        "ConfigError": 78, "StoreDenied": 78,
    }  # fmt: skip
    assert str(SourceError("a.csv", 3, "is odd")) == "a.csv, line 3: is odd"
    assert str(SourceError("a.csv", None, "is odd")) == "a.csv: is odd"


def end_with(error: BaseException, tmp_path: Path) -> tuple[int, str]:
    log = io.StringIO()
    store = WatchedStore(FolderStore(tmp_path), "delete", "", failing(error))  # a stage begins by deleting its manifest
    with redirect_stderr(log):
        code = command_line.main(["ingest_raw"], {"COLLISIONS_LAKE": str(tmp_path)}, store=store)
    return code, log.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StageError("x"), 70),
        (ContractError("x"), 65),
        (ConfigError("x"), 78),
        (errors.StoreUnavailable("x"), 75),
        (OSError(errno.ENOSPC, "x"), 75),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_ends_in_its_code_and_a_last_line(tmp_path: Path, error: BaseException, code: int) -> None:
    found, log = end_with(error, tmp_path)
    assert found == code
    assert log.startswith("ERROR: ")
    assert log.count("\n") == 1


def test_an_unexpected_error_keeps_its_traceback(tmp_path: Path) -> None:
    for error in (ValueError("x"), OSError(errno.EBADF, "x")):
        with pytest.raises(type(error)):
            end_with(error, tmp_path)


# --- ledger -------------------------------------------------------------------------------------------


def test_a_ledger_adds_up_or_raises() -> None:
    ledger = Ledger(5, 3, 1, 1) + Ledger(2, 2)
    assert ledger == Ledger(7, 5, 1, 1)
    ledger.check("stage")
    for wrong in (Ledger(5, 4), Ledger(5, 4, 1, 1), Ledger(0, 1)):
        with pytest.raises(ContractError, match=f"stage: {wrong.rows_in} rows in, but"):
            wrong.check("stage")


# --- logs and threads ---------------------------------------------------------------------------------


def test_log_lines_begin_with_their_level() -> None:
    log = io.StringIO()
    with redirect_stderr(log):
        logs.set_up()
        logs.log.info("one %s", 1)
        logs.log.warning("two")
        logs.log.debug("three")
    assert log.getvalue() == "INFO: one 1\nWARNING: two\n"


@pytest.mark.parametrize(("count", "text"), [(999, "999 B"), (1234567, "1.2 MB"), (5_000_000_000, "5.0 GB")])
def test_sizes_are_readable(count: int, text: str) -> None:
    assert logs.human_bytes(count) == text


def test_no_progress_bar_without_a_terminal() -> None:
    with redirect_stderr(io.StringIO()) as log:
        assert list(logs.progress([1, 2], 2, "work")) == [1, 2]
    assert log.getvalue() == ""


def test_a_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert list(logs.progress([1, 2], 2, "work")) == [1, 2]
        shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.lstrip("\r").startswith("work:   0%")
    assert "month" in shown


def test_parallel_keeps_the_order_and_ends_at_the_first_error() -> None:
    assert list(parallel(lambda number: number * 2, range(50))) == [number * 2 for number in range(50)]
    started = []

    def work(number: int) -> int:
        started.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(parallel(work, range(1000)))
    assert len(started) < 50


def test_a_stage_that_gets_sigterm_logs_it_and_exits_as_killed() -> None:
    said = io.StringIO()
    with redirect_stderr(said):
        logs.set_up()
        with pytest.raises(SystemExit) as ended:
            command_line.stop(signal.SIGTERM, None)
    assert ended.value.code == 128 + signal.SIGTERM
    assert said.getvalue() == "ERROR: stopped by SIGTERM; what was published is unchanged\n"
