"""The real cluster for the tests: its kubectl, its Airflow, its lake."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collisions_ops.airflow_api import Airflow
from collisions_ops.cluster import Cluster as OpsCluster
from collisions_ops.settings import Settings
from collisions_ops.shell import Shell
from lake import REPOSITORY, Lake

SCRIPTS = REPOSITORY / "scripts"


def run(*command: str | Path, timeout: float = 900, check: bool = True, stdin: str | None = None) -> str:
    """A command's output; on failure it is the test's message."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=REPOSITORY,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert not check or done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def until(condition: Callable[[], Any], what: str, seconds: float = 180) -> Any:
    """Wait for a condition and return what made it true."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return answer


def like_a_stage(name: str, image: str, command: list[str], labels: dict[str, str]) -> dict[str, Any]:
    """The manifest of a pod as closed as a stage's, in the same namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "collisions", "labels": labels},
        "spec": {
            "serviceAccountName": "stage",
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "base",
                    "image": image,
                    "command": command,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


class Cluster:
    """The running cluster: its kubectl, its Airflow, its lake."""

    run = staticmethod(run)
    until = staticmethod(until)

    def __init__(self) -> None:
        self.settings = Settings.from_environment(os.environ)
        self.commands = OpsCluster(self.settings, Shell(os.environ))  # as scripts/ see it
        self.airflow = Airflow.on(self.commands)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """The output of kubectl."""
        return run("kubectl", "--context", "kind-collisions", *arguments, **options)

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """A Secret's values."""
        template = '{{range $key, $value := .data}}{{$key}} {{$value | base64decode}}{{"\\n"}}{{end}}'
        text = self.kubectl("--namespace", namespace, "get", "secret", name, "--output", f"go-template={template}")
        return dict(line.split(" ", 1) for line in text.splitlines())

    def ctr(self, *arguments: str, **options: Any) -> str:
        """The output of containerd's own client on the node."""
        return run("docker", "exec", "collisions-control-plane", "ctr", "--namespace", "k8s.io", *arguments, **options)

    # --- the lake ---

    @property
    def minio(self) -> str:
        """MinIO's address on this machine, by the port-forward."""
        return f"127.0.0.1:{self.settings.ports.MINIO_PORT}"

    @property
    def lake(self) -> Lake:
        """The lake in MinIO, through the port-forward, as the stages' user."""
        keys = self.secret("collisions", "stage-store")
        return Lake(
            lake="s3://collisions",
            s3_endpoint=self.minio,
            s3_secure="false",
            s3_access_key=keys["COLLISIONS_S3_ACCESS_KEY"],
            s3_secret_key=keys["COLLISIONS_S3_SECRET_KEY"],
        )

    def land_anew(self, *files: Path) -> None:
        """An empty lake, then these files in landing, by scripts/land."""
        self.lake.wipe("landing/", "raw/", "clean/", "curated/", "quarantine/", "warehouse/", "_runs/")
        run(SCRIPTS / "land", *files)

    def release(self, folder: Path, **values: Any) -> None:
        """A release of Airflow, with other values if given, that replaces every pod."""
        self.kubectl("-n", "airflow", "delete", "job", "-l", "release=airflow", "--ignore-not-found")
        file = folder / "values.json"
        file.write_text(json.dumps({"airflowPodAnnotations": {"restarted": str(time.time())}, **values}))
        chart = run("bash", "-c", 'echo -n "${AIRFLOW_CHART:-$HOME/.cache/collisions/airflow-1.22.0.tgz}"')
        options = ("--reuse-values", "--values", file, "--wait", "--timeout", "10m")
        run(
            "helm", "--kube-context", "kind-collisions", "--namespace", "airflow", "upgrade", "airflow", chart, *options
        )

    # --- runs ---

    def start(self, **conf: Any) -> str:
        """Trigger a manual run; returns its id."""
        return self.airflow.trigger(conf)

    def finish(self, run_id: str, seconds: float = 900) -> str:
        """Wait for a run's end; returns its state."""
        return until(
            lambda: (state := self.airflow.run(run_id)["state"]) in ("success", "failed") and state,
            f"the end of {run_id}",
            seconds,
        )

    def clear(self, run_id: str) -> None:
        """Clear a run, all of it, so that it runs once more."""
        where = f"dagRuns/{urllib.parse.quote(run_id)}/clear"
        self.airflow.send("POST", where, {"dry_run": False, "only_failed": False})
        until(lambda: self.airflow.run(run_id)["state"] in ("queued", "running"), "the cleared run is on")

    def task(self, run_id: str, name: str) -> dict[str, Any]:
        """A task of a run."""
        return next(task for task in self.airflow.tasks(run_id) if task["task_id"] == name)

    def states(self, run_id: str) -> dict[str, set[str]]:
        """The states of a run's tasks in their order; a mapped task has those of its chunks."""
        found: dict[str, set[str]] = {}
        for task in self.airflow.tasks(run_id):
            found.setdefault(task["task_id"], set()).add(task["state"])
        return found

    def tries(self, run_id: str) -> dict[str, int]:
        """Task → the number of its last try; of a mapped task's chunks the highest."""
        found: dict[str, int] = {}
        for task in self.airflow.tasks(run_id):
            found[task["task_id"]] = max(found.get(task["task_id"], 0), task["try_number"])
        return found

    def instance(self, run_id: str, name: str, pod: str) -> str:
        """The path in the API of the mapped task whose pod this is."""
        at = next(it["metadata"]["labels"]["map_index"] for it in self.pods() if it["metadata"]["name"] == pod)
        return f"dagRuns/{urllib.parse.quote(run_id)}/taskInstances/{name}/{at}"

    def log(self, run_id: str, task: str, attempt: int = 1) -> str:
        """What a try of a task, of every chunk that had it, logged, with the errors that ended it."""
        lines = []
        for one in self.airflow.tasks(run_id):
            if one["task_id"] != task or one["try_number"] < attempt:
                continue
            for entry in self.airflow.log(run_id, task, attempt, one["map_index"]):
                lines.append(f"{entry['level'].upper()}: {entry['event']}")
                lines += [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in entry.get("error_detail") or []]
        return "\n".join(lines)

    # --- pods ---

    @property
    def stage_image(self) -> str:
        """The image that the stages run in."""
        variable = "import os; print(os.environ['COLLISIONS_STAGE_IMAGE'])"
        scheduler = ("-n", "airflow", "exec", "airflow-scheduler-0", "-c", "scheduler")
        return self.kubectl(*scheduler, "--", "python", "-c", variable).strip()

    def probe(self, script: str, labels: dict[str, str]) -> dict[str, str]:
        """Run a Python script in a pod like a stage's, with these labels; its lines as name → answer."""
        try:
            manifest = like_a_stage("probe", self.stage_image, ["python", "-c", script], labels)
            self.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
            phase = ("--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
            self.kubectl("-n", "collisions", "wait", "pod/probe", *phase)
            said = self.kubectl("-n", "collisions", "logs", "probe")
        finally:
            self.kubectl("-n", "collisions", "delete", "pod", "probe", "--ignore-not-found")
        return dict(line.split(" ", 1) for line in said.splitlines())

    def pods(self) -> list[dict[str, Any]]:
        """Every stage pod that exists, as Kubernetes reports it, including the failed ones that are kept."""
        pods = self.kubectl("--namespace", "collisions", "get", "pods", "-l", "app=stage", "-o", "json")
        return json.loads(pods)["items"]

    def stage_pods(self) -> dict[str, str]:
        """Name → phase of every stage pod."""
        return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in self.pods()}

    def container(self, namespace: str, pod: str, name: str) -> str:
        """The id that a pod's container has on the node."""
        status = json.loads(self.kubectl("--namespace", namespace, "get", "pod", pod, "-o", "json"))["status"]
        found = next(container for container in status["containerStatuses"] if container["name"] == name)
        return found["containerID"].removeprefix("containerd://")

    def running_pod(self, run_id: str, stage: str) -> str:
        """Wait until a stage's pod runs; returns its name."""
        prefix = stage.replace("_", "-")

        def find() -> str | None:
            assert self.airflow.run(run_id)["state"] in ("queued", "running"), f"the run ended before {stage} ran"
            for pod in self.pods():
                name, [container] = pod["metadata"]["name"], pod["spec"]["containers"]
                of_this_run = f"--run-id={run_id}" in container["args"]
                if of_this_run and name.startswith(prefix) and pod["status"]["phase"] == "Running":
                    return name
            return None

        return until(find, f"a running pod of {stage}")

    @contextmanager
    def held(self, run_id: str, stage: str) -> Iterator[str]:
        """A stage that has begun and stands still meanwhile, so that it cannot end first; gives its pod's name."""
        pod = self.running_pod(run_id, stage)
        logs = ("--namespace", "collisions", "logs", pod)
        until(lambda: ": scope " in self.kubectl(*logs, check=False), f"the first line of {stage}")
        container = self.container("collisions", pod, "base")
        self.ctr("tasks", "kill", "--signal", "SIGSTOP", container)
        try:
            yield pod
        finally:
            self.ctr("tasks", "kill", "--signal", "SIGCONT", container, check=False)  # its pod may be gone

    def no_orphans(self) -> None:
        """No stage pod is left but failed ones; those are removed now."""
        self.until(lambda: set(self.stage_pods().values()) <= {"Failed"}, "only failed stage pods are left", 30)
        self.kubectl("--namespace", "collisions", "delete", "pods", "-l", "app=stage")

    def settle(self) -> None:
        """Wait until everything is ready and no run is on."""
        for namespace in ("airflow", "collisions"):
            for kind in ("statefulset", "deployment"):
                for name in self.kubectl("-n", namespace, "get", kind, "-o", "name").split():
                    if "/" in name:
                        self.kubectl("-n", namespace, "rollout", "status", name, "--timeout=600s")
        until(lambda: not self.airflow.get("dagRuns", state=["running", "queued"])["dag_runs"], "no run is on", 600)
