"""The operator's commands where the cluster is in trouble: dead forwards, runs in flight, full volumes."""

from __future__ import annotations

import http.server
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from collisions_ops import backfill, forwards, status
from collisions_ops.airflow_api import Airflow
from collisions_ops.console import Console
from collisions_ops.settings import Settings
from collisions_ops.shell import Shell
from collisions_ops.wait import until
from ports import free_ports

from stages.lake.sources import Source, newest_fetched


@pytest.fixture
def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console({}, out, out), out


# --- port-forwards ----------------------------------------------------------------------------------------


@contextmanager
def listening(handle: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port on which each connection is taken and handled, then closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                handle(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def test_a_port_that_takes_connections_and_resets_them_does_not_answer() -> None:
    with listening(lambda connection: None) as port:
        assert forwards.port_open(port)
        assert not forwards.answers(port)


@pytest.mark.parametrize("code", [200, 403, 404, 503])
def test_a_server_answers_whatever_it_says(code: int) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is for its failures."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert forwards.answers(server.server_port)
        server.shutdown()


class Forward(subprocess.Popen[bytes]):
    """A process in the place of kubectl: each wait for it takes no time; `ends_after` that many it has ended."""

    def __init__(self, ends_after: int = 10_000) -> None:
        self.waits: list[float] = []
        self._ends_after = ends_after

    def wait(self, timeout: float | None = None) -> int:
        """Pass the time at once."""
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) > self._ends_after:
            return 1
        raise subprocess.TimeoutExpired("kubectl", timeout)

    def __del__(self, *_: object) -> None:
        """There is no process to look after."""


def test_a_forward_that_no_longer_answers_is_given_up() -> None:
    forward, answers = Forward(), iter([True] * 5 + [False] * 50)
    forwards.watch(forward, [1], lambda _: next(answers))
    assert len(forward.waits) == 5 + forwards.PROBES_FAILED - 1


def test_a_forward_is_kept_through_a_single_slow_answer() -> None:
    forward, answers = Forward(ends_after=20), iter([True, False, False, True] * 20)
    forwards.watch(forward, [1], lambda _: next(answers))
    assert len(forward.waits) == 21


def test_a_forward_with_one_dead_port_of_two_is_given_up() -> None:
    forward = Forward()
    forwards.watch(forward, [1, 2], lambda port: port == 1)
    assert sum(forward.waits) >= forwards.START_SECONDS


def test_a_new_forward_has_time_to_answer() -> None:
    forward = Forward(ends_after=30)
    late = iter([False] * 10 + [True] * 50)
    forwards.watch(forward, [1], lambda _: next(late))
    assert len(forward.waits) == 31


KUBECTL = """
import http.server, pathlib, socket, sys

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[-1].partition(":")[0])
with (folder / "started").open("a") as started:
    started.write("forward ")
if (folder / "started").read_text().count("forward") == 1:
    server = socket.create_server(("127.0.0.1", port))
    while True:
        server.accept()[0].close()
server = http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler)
server.timeout = 0.1
while not (folder / "gone").exists():
    server.handle_request()
"""


def test_the_keeper_replaces_a_forward_that_resets_every_connection(tmp_path: Path) -> None:
    programs = {
        "docker": f"test ! -e {tmp_path}/gone",  # the cluster is there until then
        "kubectl": f'exec {sys.executable} {tmp_path}/kubectl.py {tmp_path} "$@"',
    }
    (tmp_path / "kubectl.py").write_text(KUBECTL)
    for name, does in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "STATE": str(tmp_path)}
    settings = Settings.from_environment(environ)
    settings.cluster_state.mkdir()
    [port] = free_ports(1)
    kept = forwards.Forwards(settings, Shell(environ))
    keeper = threading.Thread(target=kept.keep_one, args=("airflow", "airflow-api-server", {port: 8080}))
    keeper.start()
    try:
        until(lambda: forwards.answers(port), "the second forward answers", 60)
    finally:
        (tmp_path / "gone").touch()
        keeper.join()
    assert (tmp_path / "started").read_text().split() == ["forward", "forward"]


# --- backfills and stuck runs -----------------------------------------------------------------------------


def dag_run(day: str, state: str, **others: Any) -> dict[str, Any]:
    """A run as Airflow's API has it."""
    at = f"{day}T10:00:00Z"
    given = {"dag_run_id": f"backfill__{at}", "run_type": "backfill", "queued_at": at, "start_date": at}
    return {"logical_date": at, "state": state, **given, **others}


class FakeAirflow:
    """Airflow with runs by day: a backfill creates those of all days but the ones that are in flight."""

    def __init__(self, *runs: dict[str, Any], outcome: str = "success") -> None:
        self.runs = {run["logical_date"][:10]: run for run in runs}
        self.backfills: list[dict[str, Any]] = []
        self.outcome = outcome
        self.start_date = "2012-07-01T10:00:00Z"

    def days(self, scope: dict[str, str]) -> list[str]:
        """The days of which a backfill makes a run."""
        first, end = (date.fromisoformat(scope[name][:10]) for name in ("from_date", "to_date"))
        days = [str(first + timedelta(days=number)) for number in range((end - first).days)]
        return [
            day
            for day in days
            if day >= self.start_date[:10] and self.runs.get(day, {"state": "none"})["state"] not in backfill.IN_FLIGHT
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        base = "/api/v2/dags/collisions_pipeline"
        path, query = request.url.path.removeprefix(base), request.url.params
        body = httpx.Response(200, content=request.content).json() if request.content else {}
        answer: Any = None
        if path == "/auth/token":
            answer = {"access_token": "token"}
        elif path == "/api/v2/backfills/dry_run":
            answer = {"backfills": [{"logical_date": f"{day}T10:00:00Z"} for day in self.days(body)]}
        elif path == "/api/v2/backfills" and request.method == "GET":
            answer = {"backfills": self.backfills}
        elif path == "/api/v2/backfills":
            for day in self.days(body):
                self.runs[day] = dag_run(day, self.outcome)
            answer = {}
        elif path == "/details":
            answer = {"start_date": self.start_date}
        elif path == "":
            answer = {"is_paused": False}
        elif path == "/dagRuns":
            low, states = query.get("logical_date_gte"), query.get_list("state")
            answer = {
                "dag_runs": [
                    run
                    for day, run in self.runs.items()
                    if (not low or day == low[:10]) and (not states or run["state"] in states)
                ]
            }
        elif path.endswith("/taskInstances"):
            answer = {"task_instances": []}
        elif path.startswith("/dagRuns/"):
            name = path.removeprefix("/dagRuns/")
            answer = next(run for run in self.runs.values() if run["dag_run_id"] == name)
        return httpx.Response(404) if answer is None else httpx.Response(200, json=answer)

    def client(self) -> Airflow:
        """A session with it."""
        return Airflow("http://airflow", lambda: {"username": "a", "password": "b"}, httpx.MockTransport(self), 5)


FIRST, LAST = date(2024, 3, 1), date(2024, 3, 5)


def test_a_backfill_of_all_days_ends_well(console: tuple[Console, io.StringIO]) -> None:
    assert backfill.backfill(FakeAirflow().client(), console[0], FIRST, LAST) == 0
    assert "5 of 5 days" in console[1].getvalue()


def test_a_day_in_flight_is_named_with_what_frees_it_and_the_backfill_fails(
    console: tuple[Console, io.StringIO],
) -> None:
    fake = FakeAirflow(dag_run("2024-03-03", "queued"))
    assert backfill.backfill(fake.client(), console[0], FIRST, LAST) == 1
    said = console[1].getvalue()
    assert "4 of 5 days: 2024-03-01, 2024-03-02, 2024-03-04, 2024-03-05" in said
    assert "2024-03-03  left out: in flight: backfill__2024-03-03T10:00:00Z is queued" in said
    assert "its backfill has ended, so Airflow never starts it: mark the run as failed" in said
    assert "2024-03-04  success" in said  # the others ran


def test_a_backfill_of_nothing_but_a_day_in_flight_starts_none(console: tuple[Console, io.StringIO]) -> None:
    fake = FakeAirflow(dag_run("2024-03-01", "running"))
    assert backfill.backfill(fake.client(), console[0], FIRST, FIRST) == 1
    assert "0 of 1 days" in console[1].getvalue()
    assert "is running; wait until it has ended" in console[1].getvalue()


def test_a_failed_day_fails_the_backfill(console: tuple[Console, io.StringIO]) -> None:
    assert backfill.backfill(FakeAirflow(outcome="failed").client(), console[0], FIRST, FIRST) == 1


def test_a_dry_run_says_what_is_left_out_too(console: tuple[Console, io.StringIO]) -> None:
    fake = FakeAirflow(dag_run("2024-03-03", "queued"))
    assert backfill.backfill(fake.client(), console[0], FIRST, LAST, dry_run=True) == 1
    assert "left out" in console[1].getvalue()
    assert len(fake.runs) == 1


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2024, 3, 9), "it is not over yet"),
        (date(2024, 3, 8), "it is not over yet"),
        (date(2012, 6, 30), "it lies before 2012-07-01"),
        (date(2024, 3, 1), "Airflow gives no reason"),
    ],
)
def test_a_day_is_left_out_for_its_own_reason(day: date, said: str) -> None:
    assert said in backfill.why_left_out(FakeAirflow().client(), day, datetime(2024, 3, 9, 11, tzinfo=UTC))


def test_a_queued_run_of_an_active_backfill_only_waits() -> None:
    fake = FakeAirflow(dag_run("2024-03-03", "queued"))
    fake.backfills = [{"completed_at": None}]
    assert backfill.how_to_free(fake.client(), fake.runs["2024-03-03"]) == "wait until it has ended"


def test_status_names_the_runs_that_are_queued_for_too_long(console: tuple[Console, io.StringIO]) -> None:
    fake = FakeAirflow(
        dag_run("2024-03-03", "queued"), dag_run("2024-03-04", "queued"), dag_run("2024-03-05", "failed")
    )
    status.show_stuck(fake.client(), console[0], datetime(2024, 3, 4, 10, 20, tzinfo=UTC))
    (line,) = console[1].getvalue().splitlines()
    assert "queued for 1,460 minutes: backfill__2024-03-03T10:00:00Z: its backfill has ended" in line


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 97 3 97% /opt/airflow/logs\n", 97),
        ("Filesystem 1024-blocks Used Available Capacity Mounted on\nshm 0 0 0 - /opt/airflow/logs\n", None),
        ("", None),
    ],
)
def test_how_full_a_volume_is_comes_from_df(text: str, percent: int | None) -> None:
    assert status.percent_used(text) == percent


# --- how new the sources are ------------------------------------------------------------------------


def fetched(day: int, newest: str | None, removed: str | None = None) -> Source:
    """A file landed on a day of July 2024."""
    stated = ("a", "landing/a.csv", "etag", 1, "", f"2024-07-{day:02}T10:00:00+00:00", None, None, "1")
    return Source(*stated, source_newest=newest, removed_at=removed)


def test_the_last_fetched_file_says_how_new_its_source_is() -> None:
    by_hand, gone = fetched(9, None), fetched(8, "2024-07-08", removed="2024-07-09T10:00:00+00:00")
    first, last = fetched(1, "2024-06-30"), fetched(7, "2024-07-02")
    assert newest_fetched([by_hand, first, last, gone]) is last
    assert newest_fetched([by_hand, gone]) is None


@pytest.mark.parametrize(
    ("now", "said", "is_stale"), [(16, "14 days ago", False), (17, "stood still for over 14", True)]
)
def test_status_says_when_a_source_has_stood_still(now: int, said: str, is_stale: bool) -> None:
    line, found = status.how_new(fetched(7, "2024-07-02"), datetime(2024, 7, now, 1, tzinfo=UTC), 14)
    assert found is is_stale
    assert said in line
    assert line.startswith("fetched 2024-07-07T10:00Z")
