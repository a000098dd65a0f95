"""Airflow on the cluster by its REST API: start a run, follow it, read its logs.

A request waits out a restart of Airflow. Following a run ends with the run, or with an error once it
will not continue: its DAG was paused, the scheduler is gone, or none of its tasks has started for a long time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from collisions_ops.cluster import Cluster, no_cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.forwards import Forwards
from collisions_ops.settings import DAG, STAGES, remembered_ports

ENDED = {"success", "failed", "upstream_failed", "skipped", "removed"}
UNDER_WAY = {"running", "restarting", "deferred"}
STAGE_LOGGER = "collisions_operators.pod.stage"  # of the stage's own lines in a task's log

POLL_SECONDS = 0.5
PAGE = 100  # task instances; the API's own limit
PATIENCE_SECONDS = 120  # how long Airflow may be away, as when a pod is replaced
LOOK_SECONDS = 5  # between two looks at whether a run will continue
SCHEDULER_SECONDS = 300  # how long the scheduler may be away: it may take 180 s to end, then starts again
STALL_SECONDS = 600  # how long nothing may be started; a retry waits 300 s at most

Json = Any  # what Airflow answers


class NotNow(OpsError):
    """Airflow is away, or is still starting."""


class Airflow:
    """A session with the REST API."""

    def __init__(
        self,
        address: str,
        credentials: Callable[[], Mapping[str, str]],
        transport: httpx.BaseTransport | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.address = address
        self._credentials, self._patience = credentials, patience
        self._http = httpx.Client(base_url=address, timeout=60, trust_env=False, transport=transport)
        self._token = ""

    @classmethod
    def on(cls, cluster: Cluster) -> Airflow:
        """Airflow on the cluster, by the port-forward of the last scripts/up, which is started where it is missing."""
        ports = remembered_ports(cluster.settings.ports_file)
        if ports is None:
            raise no_cluster(cluster)
        forwards = Forwards(replace(cluster.settings, ports=ports), cluster.shell)
        if not forwards.kept():
            cluster.require()
            forwards.start()
        return cls(f"http://127.0.0.1:{ports.UI_PORT}", lambda: cluster.secret("airflow", "airflow-admin"))

    def get(self, path: str, **query: Any) -> Json:
        """GET below /api/v2/dags/<the DAG>, or of an absolute path."""
        return self._call("GET", path, query=query)

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        """POST, PATCH or DELETE, as `get`."""
        return self._call(method, path, body)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        done: int | None = None,
    ) -> Json:
        """The answer; None where its code is `done`, which says that the request was carried out before."""
        if not path.startswith("/"):
            path = f"/api/v2/dags/{DAG}/{path}".rstrip("/")
        for attempt in self._tries():
            with attempt:
                answer = self._request(method, path, body, query)
                if answer.status_code in {401, 403}:  # expired, or signed with a key from before a rotation
                    self._token = ""
                    answer = self._request(method, path, body, query)
                if answer.status_code == done:
                    return None
                return _content(answer, method, path)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _tries(self) -> Retrying:
        """Attempts at what may not be possible yet, until patience ends."""
        return Retrying(
            stop=stop_after_delay(self._patience),
            wait=wait_fixed(POLL_SECONDS),
            retry=retry_if_exception_type(NotNow),
            reraise=True,
        )

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any] | None
    ) -> httpx.Response:
        try:
            if not self._token:
                answer = self._http.post("/auth/token", json=dict(self._credentials()))
                self._token = _content(answer, "POST", "/auth/token")["access_token"]
            headers = {"Authorization": f"Bearer {self._token}"}
            return self._http.request(method, path, json=body, params=query or None, headers=headers)
        except httpx.TransportError as error:
            raise NotNow(
                f"Airflow does not answer on {self.address}: {error} (scripts/up starts what is missing)"
            ) from None

    # --- what the commands need of it ---

    def await_dag(self) -> None:
        """Wait until Airflow has read the DAG; a fresh one needs some seconds."""
        for attempt in self._tries():
            with attempt:
                if DAG in [dag["dag_id"] for dag in self.get("/api/v2/dags")["dags"]]:
                    return
                problems = self.get("/api/v2/importErrors")["import_errors"]
                if problems:
                    raise OpsError("\n".join(problem["stack_trace"] for problem in problems))
                raise NotNow(
                    "Airflow has not read the DAG: kubectl --namespace airflow logs deployment/airflow-dag-processor"
                )

    def switch_on(self) -> bool:
        """Switch on a DAG that has never run, and say whether it did; one with runs was switched off by someone."""
        self.await_dag()
        if not self.get("")["is_paused"] or self.get("dagRuns", limit=1)["dag_runs"]:
            return False
        self.send("PATCH", "", {"is_paused": False})
        return True

    def require_unpaused(self) -> None:
        """Raise OpsError where no run would start."""
        if self.get("")["is_paused"]:
            raise OpsError(
                f"{DAG} is paused, so no run would start; switch it on in the UI at {self.address}"
                " (the first scripts/land does that)"
            )

    def trigger(self, conf: Mapping[str, Any]) -> str:
        """Start a run and return its id; the id is ours, so that a request made again starts no second run."""
        run_id = f"manual__{datetime.now(UTC).isoformat()}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._call("POST", "dagRuns", body, done=409)
        return run_id

    def run(self, run_id: str) -> Json:
        """One DAG run."""
        return self.get(f"dagRuns/{quote(run_id)}")

    def tasks(self, run_id: str) -> list[Json]:
        """A run's tasks in their order; a mapped task is there once for each chunk (its map_index; -1 before it is)."""
        found: list[Json] = []
        where = f"dagRuns/{quote(run_id)}/taskInstances"
        while page := self.get(where, limit=PAGE, offset=len(found))["task_instances"]:
            found += page
            if len(page) < PAGE:
                break
        known = [task for task in found if task["task_id"] in STAGES]
        return sorted(known, key=lambda task: (STAGES.index(task["task_id"]), map_index(task)))

    def log(self, run_id: str, task: str, attempt: int, chunk: int = -1) -> list[Json]:
        """A task's log so far: entries with timestamp, level, event, logger; empty where there is none yet."""
        where = f"dagRuns/{quote(run_id)}/taskInstances/{task}/logs/{attempt}"
        content = self.get(where, full_content="true", map_index=chunk)["content"]
        return [entry for entry in content if isinstance(entry, dict) and entry.get("timestamp")]

    def follow(
        self,
        run_id: str,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> str:
        """Print the stages' log lines and how the run's tasks end, until the run has ended; return its state.

        Raises OpsError once the run will not continue.
        """
        seen: dict[tuple[str, int, int], str] = {}
        printed: dict[tuple[str, int, int], int] = {}
        began = clock()
        watch = Watch(self, run_id, console, clock)
        while True:
            state = str(self.run(run_id)["state"])  # before the tasks: what they say then is at least as new
            tasks = self.tasks(run_id)
            for task in tasks:
                key, now = (task["task_id"], task["try_number"], map_index(task)), task["state"]
                if now in (None, "scheduled") or (now in ENDED and seen.get(key) == now):
                    continue
                if key not in seen:
                    again = f", try {key[1]}" if key[1] > 1 else ""
                    console.print(f"{clock() - began:5.0f} s  {name_of(task)}{again}")
                was_started = now != "queued" and key[1] > 0  # a task that was never tried has no log
                entries = [entry for entry in self.log(run_id, *key) if shown(entry)] if was_started else []
                for entry in entries[printed.get(key, 0) :]:
                    print_entry(console, entry, indent=9)
                printed[key] = max(len(entries), printed.get(key, 0))
                if now in {*ENDED, "up_for_retry"} and seen.get(key) != now:
                    took = f" after {task['duration']:.1f} s" if task["duration"] else ""
                    console.print(f"{clock() - began:5.0f} s  {name_of(task)} {now}{took}")
                seen[key] = now
            if state in ENDED:
                return state
            watch.look(state, tasks)
            pause(POLL_SECONDS)


class Watch:
    """Notices when a run will not continue, so that nobody waits for it for ever."""

    def __init__(
        self, airflow: Airflow, run_id: str, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._airflow, self._run_id, self._console, self._clock = airflow, run_id, console, clock
        self._next_look = clock() + LOOK_SECONDS
        self._moved = self._healthy = clock()
        self._last: object = None
        self._paused_before = False
        self._said: set[str] = set()

    def look(self, state: str, tasks: list[Json]) -> None:
        """Judge a run by its state and its tasks; raises OpsError with the cause."""
        now = self._clock()
        states = [(task["task_id"], map_index(task), task["try_number"], task["state"]) for task in tasks]
        under_way = any(task["state"] in UNDER_WAY for task in tasks)
        if under_way or (state, states) != self._last:
            self._moved, self._last = now, (state, states)
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        self._check_paused(state, idle=not under_way and not any(task["state"] == "queued" for task in tasks))
        self._check_scheduler(now)
        if not under_way:
            self._check_stalled(state, now)

    def _check_paused(self, state: str, idle: bool) -> None:
        paused = idle and bool(self._airflow.get("")["is_paused"])
        if paused and self._paused_before:  # twice, so that a task that has just been started is seen
            raise OpsError(
                f"{DAG} was paused, so {self._run_id}, which is {state}, will not continue:"
                f" switch the DAG on in the UI at {self._airflow.address}, and it continues by itself"
            )
        self._paused_before = paused

    def _check_scheduler(self, now: float) -> None:
        scheduler = self._airflow.get("/api/v2/monitor/health")["scheduler"]
        if scheduler["status"] == "healthy":
            self._healthy = now
        elif now - self._healthy > SCHEDULER_SECONDS:
            raise OpsError(
                f"Airflow's scheduler has been away for {now - self._healthy:.0f} s (its last heartbeat:"
                f" {scheduler.get('latest_scheduler_heartbeat')}), so {self._run_id} does not continue:"
                " kubectl --namespace airflow describe pod airflow-scheduler-0"
            )

    def _check_stalled(self, state: str, now: float) -> None:
        others = [
            run["dag_run_id"]
            for run in self._airflow.get("dagRuns", state=["running"], limit=5)["dag_runs"]
            if run["dag_run_id"] != self._run_id
        ]
        if others and state == "queued":
            self._moved = now  # its turn comes when that one has ended
            if others[0] not in self._said:
                self._said.add(others[0])
                self._console.print(f"waiting for {others[0]} to end: one run at a time")
        elif now - self._moved > STALL_SECONDS:
            raise OpsError(
                f"no task of {self._run_id}, which is {state}, has started for {now - self._moved:.0f} s:"
                " scripts/status shows what runs, kubectl --namespace airflow logs airflow-scheduler-0 the reason"
            )


def _content(answer: httpx.Response, method: str, path: str) -> Json:
    """What an answer holds; raises NotNow where it may come later, OpsError where it was refused."""
    if answer.is_success:
        return answer.json() if answer.content else None
    message = f"Airflow answers {answer.status_code} to {method} {path}: {answer.text[:500]}"
    if answer.status_code >= 500 or answer.status_code == 401:  # 401: at first the user is not there yet
        raise NotNow(message)
    raise OpsError(message)


def map_index(task: Mapping[str, Any]) -> int:
    """The number of a mapped task's chunk; -1 for any other task."""
    return int(task.get("map_index", -1))


def name_of(task: Mapping[str, Any]) -> str:
    """A task's name for people, with its chunk: `transform_clean (DATASET 2019-01…2020-06)`."""
    at = map_index(task)
    chunk = task.get("rendered_map_index") or (f"chunk {at}" if at >= 0 else "")
    return f"{task['task_id']} ({chunk})" if chunk else str(task["task_id"])


def shown(entry: Mapping[str, Any]) -> bool:
    """Is this entry of a task's log worth showing: the stage's own lines, and any trouble."""
    return entry.get("logger") == STAGE_LOGGER or entry.get("level") in {"error", "critical"}


def print_entry(console: Console, entry: Mapping[str, Any], indent: int = 0) -> None:
    """Print one entry of a task's log, prefixed with its level where that is above INFO."""
    name = entry.get("level", "info")  # Airflow's own note about a missing log has none
    level = "" if name in {"info", "debug"} else f"{name.upper()}: "
    style = "red" if name in {"error", "critical"} else None
    text = str(entry["event"]).rstrip().replace("\n", "\n" + " " * (indent + 2))
    console.print(" " * indent + level + text, style=style)
    for problem in entry.get("error_detail") or []:
        console.print(" " * indent + f"  {problem.get('exc_type')}: {problem.get('exc_value')}", style=style)
