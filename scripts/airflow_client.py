#!/usr/bin/env python3
"""Airflow on the cluster by its REST API, for scripts/trigger, backfill, logs and status. The standard library only.

By itself: scripts/airflow_client.py await-dag    waits until Airflow has read the DAG (scripts/up does)
           scripts/airflow_client.py switch-on    switches on a DAG that has never run (scripts/land does)
"""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

CONTEXT = "kind-collisions"
DAG = "collisions_pipeline"
STAGES = ("ingest_raw", "transform_clean", "transform_curated", "model_analytics")
ENDED = {"success", "failed", "upstream_failed", "skipped", "removed"}
STAGE_LOGGER = "collisions_operators.pod.stage"  # what the stage itself said, in a task's log
PORTS = Path(__file__).resolve().parent.parent / ".collisions/cluster/ports"
PATIENCE_SECONDS = 120  # how long Airflow may be away, as when a pod is replaced
POLL_SECONDS = 0.5


def fail(message: str) -> NoReturn:
    """End with a message and exit code 1."""
    sys.exit(f"error: {message}")


def kubectl(*arguments: str) -> str:
    """The output of kubectl on the pipeline's cluster."""
    done = subprocess.run(["kubectl", "--context", CONTEXT, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()} (is the cluster up? scripts/up)")
    return done.stdout


class Airflow:
    """A session with the REST API; a request waits out a restart of Airflow."""

    def __init__(self) -> None:
        if not PORTS.exists():
            fail("there is no cluster; scripts/up makes it")
        ports = dict(line.split("=") for line in PORTS.read_text().split())
        self.address = f"http://127.0.0.1:{ports['UI_PORT']}"
        self._token = ""

    def get(self, path: str, **query: Any) -> Any:
        """GET below /api/v2/dags/<the DAG>, or of an absolute path."""
        return self._call("GET", path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else ""))

    def send(self, method: str, path: str, body: dict) -> Any:
        """POST or PATCH, as `get`."""
        return self._call(method, path, body)

    def _call(self, method: str, path: str, body: dict | None = None, done: int | None = None) -> Any:
        """The answer; None where it is the code `done`, which says that a request was carried out before."""
        if not path.startswith("/"):
            path = f"/api/v2/dags/{DAG}/{path}".rstrip("/")
        deadline = time.monotonic() + PATIENCE_SECONDS
        new_token = False
        while True:
            try:
                if not self._token:
                    self._token = self._log_in()
                return self._http(method, path, body)
            except urllib.error.HTTPError as error:
                if error.code == done:
                    return None
                if error.code in (401, 403) and not new_token:  # expired, or signed with a key of before a rotation
                    self._token, new_token = "", True
                    continue
                refused = error.code < 500 and error.code != 401  # 401: at first the user is not there yet
                if refused or time.monotonic() > deadline:
                    fail(f"Airflow answers {error.code} to {method} {path}: {error.read().decode()[:500]}")
            except (OSError, http.client.HTTPException) as error:  # the latter: it went away in the middle of an answer
                if time.monotonic() > deadline:
                    fail(f"Airflow does not answer on {self.address}: {error} (scripts/up starts what is missing)")
            time.sleep(POLL_SECONDS)

    def _log_in(self) -> str:
        login = json.loads(kubectl("--namespace", "airflow", "get", "secret", "airflow-admin", "--output", "json"))[
            "data"
        ]

        words = {name: base64.b64decode(value).decode() for name, value in login.items()}
        return self._http("POST", "/auth/token", words)["access_token"]

    def _http(self, method: str, path: str, body: dict | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)  # noqa: S310 127.0.0.1 alone
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    # --- what the scripts need of it ---

    def trigger(self, conf: dict[str, str]) -> str:
        """Start a run and return its id; the id is ours, so that a request that is made again starts no second run."""
        run_id = f"manual__{datetime.now(UTC).isoformat()}"
        self._call("POST", "dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf}, done=409)
        return run_id

    def require_unpaused(self) -> None:
        """End with an error where no run would start."""
        if self.get("")["is_paused"]:
            fail(
                f"{DAG} is paused, so no run would start; switch it on in the UI at {self.address}"
                " (the first scripts/land does)"
            )

    def run(self, run_id: str) -> dict:
        """One DAG run."""
        return self.get(f"dagRuns/{urllib.parse.quote(run_id)}")

    def tasks(self, run_id: str) -> list[dict]:
        """A run's tasks in their order."""
        found = {
            t["task_id"]: t for t in self.get(f"dagRuns/{urllib.parse.quote(run_id)}/taskInstances")["task_instances"]
        }
        return [found[stage] for stage in STAGES if stage in found]

    def log(self, run_id: str, task: str, attempt: int) -> list[dict]:
        """A task's log so far: entries with timestamp, level, event, logger; empty where there is none yet."""
        where = f"dagRuns/{urllib.parse.quote(run_id)}/taskInstances/{task}/logs/{attempt}"
        content = self.get(where, full_content="true")["content"]
        return [entry for entry in content if isinstance(entry, dict) and entry.get("timestamp")]

    def follow(self, run_id: str) -> str:
        """Print what the stages of a run say, and how its tasks end, until the run has ended; return its state."""
        seen: dict[tuple[str, int], str] = {}
        printed: dict[tuple[str, int], int] = {}
        began = time.monotonic()
        while True:
            state = self.run(run_id)["state"]  # before the tasks: what they say then is at least as new
            for task in self.tasks(run_id):
                key, now = (task["task_id"], task["try_number"]), task["state"]
                if now in (None, "scheduled") or (now in ENDED and seen.get(key) == now):
                    continue
                if key not in seen:
                    again = f", try {key[1]}" if key[1] > 1 else ""
                    print(f"{time.monotonic() - began:5.0f} s  {key[0]}{again}", flush=True)
                began_to_run = now != "queued" and key[1] > 0  # a task that was never tried has no log
                entries = [entry for entry in self.log(run_id, *key) if shown(entry)] if began_to_run else []
                for entry in entries[printed.get(key, 0) :]:
                    print_entry(entry, indent=9)
                printed[key] = max(len(entries), printed.get(key, 0))
                if now in {*ENDED, "up_for_retry"} and seen.get(key) != now:
                    took = f" after {task['duration']:.1f} s" if task["duration"] else ""
                    print(f"{time.monotonic() - began:5.0f} s  {key[0]} {now}{took}", flush=True)
                seen[key] = now
            if state in ENDED:
                return state
            time.sleep(POLL_SECONDS)


def shown(entry: dict) -> bool:
    """Is this entry of a task's log worth a line to a person: the stage's own words, and any trouble."""
    return entry.get("logger") == STAGE_LOGGER or entry.get("level") in ("error", "critical")


def print_entry(entry: dict, indent: int = 0) -> None:
    """One line of a task's log, its level in front where it is more than information."""
    name = entry.get("level", "info")  # what Airflow itself says of a log that is not there has none
    level = "" if name in ("info", "debug") else f"{name.upper()}: "
    print(" " * indent + level + str(entry["event"]).rstrip().replace("\n", "\n" + " " * (indent + 2)), flush=True)
    for problem in entry.get("error_detail") or []:
        print(" " * indent + f"  {problem.get('exc_type')}: {problem.get('exc_value')}", flush=True)


def await_dag(airflow: Airflow) -> None:
    """A fresh Airflow needs some seconds to have read the DAG."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while DAG not in [dag["dag_id"] for dag in airflow.get("/api/v2/dags")["dags"]]:
        problems = airflow.get("/api/v2/importErrors")["import_errors"]
        if problems:
            fail("\n".join(problem["stack_trace"] for problem in problems))
        if time.monotonic() > deadline:
            fail("Airflow has not read the DAG: kubectl --namespace airflow logs deployment/airflow-dag-processor")
        time.sleep(POLL_SECONDS)


def switch_on(airflow: Airflow) -> None:
    """Switch the DAG on once there is something for it to do; one that was switched off by someone has runs."""
    await_dag(airflow)
    if airflow.get("")["is_paused"] and not airflow.get("dagRuns", limit=1)["dag_runs"]:
        airflow.send("PATCH", "", {"is_paused": False})
        print(f"{DAG} is on now: it runs daily, the first time at once; {airflow.address}")


if __name__ == "__main__":
    commands = {"await-dag": await_dag, "switch-on": switch_on}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](Airflow())
