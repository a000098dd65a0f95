"""scripts/up: the pipeline on a kind cluster on this machine, from nothing to Airflow's UI, or up to date again.

It makes what is missing and leaves the rest. Interrupted or failed, the next call goes on where it stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from collisions_ops.airflow_api import Airflow
from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.forwards import port_open
from collisions_ops.settings import (
    AIRFLOW_IMAGE,
    CHART_REPOSITORY,
    CHART_VERSION,
    CLUSTER,
    CONTEXT,
    HELM_MINIMUM,
    NODE,
    STAGES_IMAGE,
    Settings,
)
from collisions_ops.shell import Shell, Word

TOOLS = ("docker", "kind", "kubectl", "helm", "git")
VOLUMES = "/var/local-path-provisioner"  # where kind's node keeps what pods are to keep
NEED_MEMORY_GB, NEED_DISK_GIB = 6, 10
TAIL_LINES = 25  # of the log, after a failure


class Failed(OpsError):
    """A step failed; what there is to say about it has been printed."""


@dataclass
class Up:
    """One call of scripts/up. What programs print goes to the log."""

    cluster: Cluster
    console: Console
    shell: Shell
    chart: list[Word]
    stages: str
    airflow: str

    @property
    def settings(self) -> Settings:
        """Where things are."""
        return self.cluster.settings

    def kubectl(self, *arguments: Word) -> None:
        """kubectl on the cluster, its output to the log."""
        self.shell.run("kubectl", "--context", CONTEXT, *arguments)

    # --- steps -------------------------------------------------------------------------------------

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time a step; where it fails, print the end of the log and where to look."""
        with self.settings.up_log.open("a") as log:
            log.write(f"=== {title}\n")
        try:
            with self.console.step(title):
                yield
        except OpsError as error:
            with self.settings.up_log.open("a") as log:
                log.write(f"{error}\n")
            tail = self.settings.up_log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            self.console.note("\n".join(f"          {line}" for line in tail))
            self.say_where_to_look()
            raise Failed(f"{title} failed") from error

    def say_where_to_look(self) -> None:
        """After a failure: where the cause is likely to be seen."""
        lines = ["what to look at:", f"  {self.settings.up_log}"]
        if self.cluster.exists():
            chosen = ("get", "pods", "--all-namespaces", "--field-selector", "status.phase!=Succeeded")
            listed = self.shell.attempt("kubectl", "--context", CONTEXT, *chosen, "--no-headers").out
            lines += [
                f"  kubectl --namespace {fields[0]} describe pod {fields[1]}   # {fields[3]}"
                for fields in map(str.split, listed.splitlines())
                if len(fields) > 3 and len(set(fields[2].split("/"))) > 1  # not all of its containers are ready
            ]
            lines.append("  kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -n 20")
        self.console.note("\n".join([*lines, "then run scripts/up again: it goes on from here"]))

    # --- the cluster and its images ----------------------------------------------------------------

    def make_cluster(self) -> None:
        """The kind cluster, started or made."""
        if self.cluster.exists():
            self.shell.run("docker", "start", NODE)  # after a restart of the machine it is there, stopped
            # kind writes the kubeconfig last. Without one of this cluster, its making was interrupted, or the file has
            # been replaced.
            if not self.shell.attempt("kubectl", "config", "get-contexts", CONTEXT).ok:
                count = f"ls {VOLUMES} 2>/dev/null | wc -l"
                if int(self.shell.output("docker", "exec", NODE, "sh", "-c", count)) == 0:
                    self.shell.run("kind", "delete", "cluster", "--name", CLUSTER)  # it holds nothing
                else:
                    self.shell.run("kind", "export", "kubeconfig", "--name", CLUSTER)
        if not self.cluster.exists():
            image = self.settings.environ.get("KIND_NODE_IMAGE")
            chosen = ("--image", image) if image else ()
            self.shell.run(
                "kind", "create", "cluster", "--config", self.settings.root / "k8s/kind-cluster.yaml", *chosen
            )
        self.kubectl("wait", "--for", "condition=Ready", f"node/{NODE}", "--timeout", "180s")

    def build_images(self) -> None:
        """The project's two images, from this work tree."""
        root = self.settings.root
        build = Shell(self.shell.environ, log=self.settings.cluster_state / "build.log")
        for image, file, argument in (
            (self.stages, "stages/Dockerfile", f"TAG={self.stages.partition(':')[2]}"),
            (self.airflow, "dags/Dockerfile", f"STAGE_IMAGE={self.stages}"),
        ):
            if not self.shell.attempt("docker", "image", "inspect", image).ok:
                build.run("docker", "build", "--file", root / file, "--tag", image, "--build-arg", argument, root)

    def await_images(self, building: Future[None]) -> None:
        """Wait for the build in the background; its output goes to the log."""
        try:
            building.result()
        finally:
            log = self.settings.cluster_state / "build.log"
            if log.exists():
                with self.settings.up_log.open("ab") as whole:
                    whole.write(log.read_bytes())

    def load_images(self) -> None:
        """Load what the node lacks of all images, in one call so that shared layers go once."""
        ours = [self.stages, self.airflow]
        try:
            self._load([*self.settings.base_images(), *ours])
        except OpsError:  # Docker cannot export every base image, and the node can pull those
            self._load(ours)

    def _load(self, images: list[str]) -> None:
        there = self.shell.output("docker", "exec", NODE, "ctr", "--namespace", "k8s.io", "images", "list", "--quiet")
        names = {image: image if "/" in image else f"docker.io/library/{image}" for image in images}
        missing = [
            image
            for image, name in names.items()
            if name not in there.split() and self.shell.attempt("docker", "image", "inspect", image).ok
        ]
        if missing:
            self.shell.run("kind", "load", "docker-image", *missing, "--name", CLUSTER)

    # --- what runs on it ---------------------------------------------------------------------------

    def apply_manifests(self) -> None:
        """Everything on the cluster but Airflow itself, and the secrets that it names."""
        self.kubectl("apply", "--kustomize", self.settings.root / "k8s")
        self.shell.run(self.settings.scripts / "secrets", "--context", CONTEXT)

    def start_stores(self) -> None:
        """MinIO with its bucket and user, and Postgres."""
        for namespace, name in (("collisions", "minio"), ("airflow", "postgres")):
            self.kubectl("--namespace", namespace, "rollout", "status", f"statefulset/{name}", "--timeout", "300s")
        file = self.settings.root / "k8s/minio-setup-job.yaml"
        image = ("set", "image", "--local", "--filename", file, f"setup={self.stages}", "--output", "yaml")
        manifest = self.shell.output("kubectl", "--context", CONTEXT, *image)
        job = self.cluster.kubectl("create", "--filename", "-", "--output", "name", stdin=manifest).strip()
        try:
            self.kubectl("--namespace", "collisions", "wait", "--for=condition=Complete", job, "--timeout", "120s")
        except OpsError:
            self.shell.attempt_logged("kubectl", "--context", CONTEXT, "--namespace", "collisions", "logs", job)
            raise

    def install_airflow(self) -> None:
        """Airflow, by its chart. Helm takes its time even where nothing has changed, so what a release was made of is
        recorded in its description.
        """
        made_of = f"{self.hash_of_release()} {self.airflow}"
        helm = ("helm", "--kube-context", CONTEXT, "--namespace", "airflow")
        status = self.shell.attempt(*helm, "status", "airflow", "--output", "json")
        info = json.loads(status.out).get("info", {}) if status.ok and status.out.startswith("{") else {}
        if (info.get("description"), info.get("status")) != (made_of, "deployed"):
            # What helm was killed over in the middle is no release, but would block the next one.
            pending = "owner=helm,name=airflow,status in (pending-install,pending-upgrade,pending-rollback)"
            self.kubectl("--namespace", "airflow", "delete", "secret", "--ignore-not-found", "--selector", pending)
            # The chart's Jobs cannot be changed, and one of the last release may be there still.
            jobs = ("delete", "job", "--selector", "release=airflow", "--ignore-not-found")
            self.kubectl("--namespace", "airflow", *jobs)
            values = (
                *("--values", self.settings.root / "helm-values/airflow.yaml"),
                *("--set", f"images.airflow.tag={self.airflow.partition(':')[2]}"),
            )
            options = ("--namespace", "airflow", *values, "--description", made_of, "--timeout", "15m", "--wait")
            self.shell.run("helm", "--kube-context", CONTEXT, "upgrade", "--install", "airflow", *self.chart, *options)
        for workload in (
            "statefulset/airflow-scheduler",
            "deployment/airflow-api-server",
            "deployment/airflow-dag-processor",
        ):
            self.kubectl("--namespace", "airflow", "rollout", "status", workload, "--timeout", "600s")

    def hash_of_release(self) -> str:
        """A hash of all that a release is made of but the image; a version in a repository is one content."""
        first = Path(self.chart[0])
        files = [self.settings.root / "helm-values/airflow.yaml"]
        if first.is_dir():
            files += sorted(path for path in first.rglob("*") if path.is_file())
        elif first.is_file():
            files.append(first)
        content = b"".join(path.read_bytes() for path in files)
        return sha256(content + (b"" if first.exists() else " ".join(map(str, self.chart)).encode())).hexdigest()[:40]

    def open_ports(self) -> None:
        """The port-forwards, and something that listens behind each."""
        forwards = self.cluster.forwards
        forwards.ensure()
        ports = self.settings.ports
        for port, name in (
            (ports.UI_PORT, "Airflow"),
            (ports.MINIO_PORT, "MinIO"),
            (ports.MINIO_CONSOLE_PORT, "MinIO's console"),
        ):
            forwards.await_port(port, name)

    def login(self, namespace: str, secret: str, template: str) -> str:
        """The words of a login to a person; to a file or a log only the command that shows them."""
        words = ("--namespace", namespace, "get", "secret", secret, "--output")
        if self.console.interactive:
            return self.cluster.kubectl(*words, f"go-template={template}")
        return f"kubectl --context {CONTEXT} {' '.join(words)} 'go-template={template}'"


def up(cluster: Cluster, console: Console) -> int:
    """Bring the cluster up; 1 where something is missing or a step failed, which has then been said."""
    settings = cluster.settings
    settings.cluster_state.mkdir(parents=True, exist_ok=True)
    settings.up_log.write_bytes(b"")
    problems = preflight(cluster)
    if problems:
        console.note("\n".join(f"  {problem}" for problem in problems))
        console.note("nothing was made")
        return 1
    shell = Shell(cluster.shell.environ, log=settings.up_log)
    code = ("requirements/stages.txt", ".dockerignore")
    work = Up(
        cluster,
        console,
        shell,
        find_chart(settings) or [],
        stages=f"{STAGES_IMAGE}:{content_tag(cluster, 'stages', *code)}",
        airflow=f"{AIRFLOW_IMAGE}:{content_tag(cluster, 'dags', 'stages', *code)}",
    )
    (settings.cluster_state / "build.log").write_bytes(b"")
    steps: list[tuple[str, Callable[[], None]]] = [
        ("images loaded into the cluster", work.load_images),
        ("namespaces, access, limits, network policies, secrets", work.apply_manifests),
        ("MinIO with its bucket and user, Postgres", work.start_stores),
        ("Airflow, by Helm", work.install_airflow),
        ("ports on 127.0.0.1", work.open_ports),
        ("DAG collisions_pipeline read", lambda: Airflow.on(cluster).await_dag()),
    ]
    try:
        with ThreadPoolExecutor(1) as pool:
            building = pool.submit(work.build_images)  # while the cluster starts
            with work.step(f"cluster {CLUSTER}, by kind"):
                work.make_cluster()
            with work.step(f"images {work.stages}, {work.airflow}, built"):
                work.await_images(building)
        for title, act in steps:
            with work.step(title):
                act()
    except Failed:
        return 1
    console.print(f"{console.seconds:5.0f} s   in all\n")
    ports = settings.ports
    console.print("Airflow", style="bold", end="")
    console.print(f"   http://127.0.0.1:{ports.UI_PORT}          user admin, password:")
    console.print(f"          {work.login('airflow', 'airflow-admin', '{{.data.password | base64decode}}')}")
    console.print("MinIO", style="bold", end="")
    console.print(f"     http://127.0.0.1:{ports.MINIO_CONSOLE_PORT}          user and password:")
    both = "{{.data.MINIO_ROOT_USER | base64decode}} {{.data.MINIO_ROOT_PASSWORD | base64decode}}"
    console.print(f"          {work.login('collisions', 'minio-root', both)}")
    console.print("\nnext      scripts/land FILE.csv …   scripts/trigger   scripts/status   scripts/query --cluster")
    return 0


def preflight(cluster: Cluster) -> list[str]:
    """What prevents it, before anything is made."""
    settings, shell = cluster.settings, cluster.shell
    problems = [
        f'{tool} is not installed (README.md, "On Kubernetes", says where it comes from)'
        for tool in TOOLS
        if not shell.find(tool)
    ]
    data = ""
    if not problems:
        version = shell.attempt("helm", "version", "--short").out.strip()
        found = re.match(r"v?(\d+)\.(\d+)", version)
        if not found or (int(found[1]), int(found[2])) < HELM_MINIMUM:
            problems.append(f"helm is {version}; {'.'.join(map(str, HELM_MINIMUM))} or newer is needed")
        memory = shell.attempt("docker", "info", "--format", "{{.MemTotal}}")
        if not (memory.ok and memory.out.strip().isdigit()):
            problems.append("Docker does not answer: start it, and check that this user may use it (docker info)")
        elif int(memory.out) // 10**9 < NEED_MEMORY_GB:
            problems.append(
                f"Docker has {int(memory.out) // 10**9} GB of memory; {NEED_MEMORY_GB} are needed"
                " (Docker Desktop: Settings, Resources)"
            )
        data = shell.attempt("docker", "info", "--format", "{{.DockerRootDir}}").out.strip()
    if not shell.attempt("git", "-C", settings.root, "rev-parse", "--verify", "--quiet", "HEAD").ok:
        problems.append(f"{settings.root} is not a git checkout: images are tagged by commit")
    # Images and volumes go where Docker keeps them; where that is a virtual machine, this machine's disk stands for it.
    listed = shell.attempt("df", "-Pk", Path(data) if data and Path(data).is_dir() else settings.root).out.split()
    free = int(listed[-3]) // 2**20 if len(listed) > 5 else NEED_DISK_GIB
    if free < NEED_DISK_GIB and not cluster.exists():
        problems.append(f"{free} GiB of disk are free; {NEED_DISK_GIB} are needed")
    forwards = cluster.forwards
    if not forwards.kept():
        for name, port in vars(settings.ports).items():
            if not forwards.hold(port) and port_open(port):
                problems.append(f"port {port} on 127.0.0.1 is taken; choose another: {name}={port + 1000} scripts/up")
    if find_chart(settings) is None:
        problems.append(f"AIRFLOW_CHART is {settings.environ['AIRFLOW_CHART']!r}: no such file or folder")
    return problems


def find_chart(settings: Settings) -> list[Word] | None:
    """How helm is to find the chart: the one given, the one in the cache, or Apache's repository; None: no such."""
    given = settings.environ.get("AIRFLOW_CHART")
    if given:
        return [given] if Path(given).exists() else None
    if settings.chart_in_cache().is_file():
        return [settings.chart_in_cache()]
    return ["airflow", "--repo", CHART_REPOSITORY, "--version", CHART_VERSION]


def content_tag(cluster: Cluster, *paths: str) -> str:
    """A tag that names one content: the last commit of these paths, and where they differ from it, a hash of what they
    hold.
    """
    root = cluster.settings.root

    def git(*arguments: str) -> str:
        return cluster.shell.output("git", *arguments, "--", *paths, cwd=root).strip()

    tag = git("log", "-1", "--format=%h", "--abbrev=12")
    if not tag:
        raise OpsError(f"no commit holds {' '.join(paths)}")
    if git("status", "--porcelain"):
        digest = sha256()
        for name in sorted(git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()):
            file = root / name
            if file.is_file():
                digest.update(f"{name} {sha256(file.read_bytes()).hexdigest()}\n".encode())
        tag += f"-{digest.hexdigest()[:8]}"
    return tag
