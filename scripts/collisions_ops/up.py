"""scripts/up: from nothing to Airflow's UI on a kind cluster, or up to date again.

Each step makes what is missing and leaves alone what is there: after an interruption the next call continues.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from collisions_ops.airflow_api import Airflow
from collisions_ops.cluster import Cluster
from collisions_ops.console import Console
from collisions_ops.errors import CommandFailed, OpsError
from collisions_ops.images import Build, Images, load, remove_old
from collisions_ops.preflight import chart_words, check_store, problems
from collisions_ops.settings import CLUSTER, CONTEXT, MINIO, NODE, OWN_BUCKET, SEAWEEDFS
from collisions_ops.shell import Shell, paste
from collisions_ops.wait import until

VOLUMES = "/var/local-path-provisioner"  # where kind's node keeps what pods are to keep
WORKLOADS = ("statefulset/airflow-scheduler", "deployment/airflow-api-server", "deployment/airflow-dag-processor")
KEY_OF_STORE = ("--namespace", "collisions", "get", "secret", "stage-store")
LOG_LINES = 25  # of a failed step
BUCKET, BUCKET_SECONDS = "collisions", 120
API_SECONDS = 180  # within which the API server of a cluster that was just started answers


def up(cluster: Cluster, console: Console) -> int:
    """Bring the cluster up to date with the work tree; returns 1 if that fails, after saying where to look."""
    found = problems(cluster)
    if found:
        console.note("\n".join(f"  {problem}" for problem in found))
        console.note("nothing was made")
        return 1
    cluster.settings.cluster_state.mkdir(parents=True, exist_ok=True)
    cluster.settings.up_log.write_bytes(b"")
    cluster.settings.store_file.write_text(f"{cluster.settings.store}\n")
    images = Images.of(cluster.settings, cluster.shell)
    steps = Steps(cluster, Shell(cluster.shell.environ, log=cluster.settings.up_log), images)
    build = Build(cluster.settings, cluster.shell, images, cluster.settings.cluster_state / "build.log")
    stores = {MINIO: "MinIO with its bucket and user, ", SEAWEEDFS: "SeaweedFS with its bucket, "}
    plan: list[tuple[str, Callable[[], None]]] = [
        (f"cluster {CLUSTER}, by kind", steps.make_cluster),
        (f"images {images.stages}, {images.airflow}, built", lambda: steps.await_images(build)),
        ("images loaded into the cluster", steps.load_images),
        ("namespaces, access, limits, network policies, secrets", steps.apply_manifests),
        (f"{stores.get(cluster.settings.store, '')}Postgres", steps.start_stores),
        ("Airflow, by Helm", steps.install_airflow),
        ("ports on 127.0.0.1", steps.open_ports),
        ("store fit for the lake", steps.check_store),
        ("DAG collisions_pipeline read", lambda: Airflow.on(cluster).await_dag()),
        ("images of releases before the last removed", steps.remove_old_images),
    ]
    try:
        for title, step in plan:
            steps.note(f"=== {title}\n")
            with console.step(title):
                step()
    except OpsError as error:
        steps.note(f"{error}\n{error.output if isinstance(error, CommandFailed) else ''}")
        say_where_to_look(cluster, console)
        return 1
    finally:
        build.stop()
    console.print(f"{console.seconds:5.0f} s   in total\n")
    welcome(cluster, console)
    return 0


@dataclass(frozen=True)
class Steps:
    """The steps; `shell` writes to the log what programs print."""

    cluster: Cluster
    shell: Shell
    images: Images

    def note(self, text: str) -> None:
        """Write to the log."""
        with self.cluster.settings.up_log.open("a") as log:
            log.write(text)

    def kubectl(self, *arguments: str | Path) -> None:
        """Run kubectl on the cluster."""
        self.shell.run("kubectl", "--context", CONTEXT, *arguments)

    # --- the cluster and its images ---

    def make_cluster(self) -> None:
        """Make the cluster, or start it again; one that was half made is made again."""
        shell, node_image = self.shell, self.shell.environ.get("KIND_NODE_IMAGE")
        if self.cluster.exists():
            shell.run("docker", "start", NODE)  # after a restart of the machine it is there, stopped
            # kind writes the kubeconfig last. Without one of this cluster, its making was interrupted, or the file has
            # been replaced.
            if not shell.attempt("kubectl", "config", "get-contexts", CONTEXT).ok:
                volumes = shell.output("docker", "exec", NODE, "sh", "-c", f"ls {VOLUMES} 2>/dev/null | wc -l")
                if int(volumes) == 0:
                    shell.run("kind", "delete", "cluster", "--name", CLUSTER)  # it holds nothing: from the start
                else:
                    shell.run("kind", "export", "kubeconfig", "--name", CLUSTER)
        if not self.cluster.exists():
            configuration = self.cluster.settings.root / "k8s" / "kind-cluster.yaml"
            chosen = ("--image", node_image) if node_image else ()
            shell.run("kind", "create", "cluster", "--config", configuration, *chosen)
        until(self._may_read_nodes, "the API server knows its users' rights again", API_SECONDS)
        self.kubectl("wait", "--for", "condition=Ready", f"node/{NODE}", "--timeout", "180s")

    def _may_read_nodes(self) -> bool:
        """Does the API server answer, and allow what it does? Once started it first answers `forbidden` to everyone,
        until it has read the roles (https://github.com/kubernetes/kubernetes/issues/121635).
        """
        done = self.shell.attempt("kubectl", "--context", CONTEXT, "get", "node", NODE, "--output", "name")
        return done.ok

    def await_images(self, build: Build) -> None:
        """Wait for the images that are being built."""
        try:
            build.finish()
        finally:
            self.note(build.said().decode(errors="replace"))

    def load_images(self) -> None:
        """Bring all images into the node, in one call, so that shared layers go once."""
        ours = [self.images.stages, self.images.airflow]
        try:
            load(self.shell, [*self.cluster.settings.base_images(), *ours])
        except CommandFailed:  # Docker cannot export every base image, and the node can pull those
            load(self.shell, ours)

    # --- what runs on it ---

    def apply_manifests(self) -> None:
        """Apply k8s/, and make the secrets that are missing."""
        self.kubectl("apply", "--kustomize", self.cluster.settings.manifests)
        store = self.cluster.settings.store
        if store == OWN_BUCKET and not self.shell.attempt("kubectl", "--context", CONTEXT, *KEY_OF_STORE).ok:
            raise OpsError(
                "the Secret collisions/stage-store is missing: it holds the key to your bucket. Write the lines"
                " COLLISIONS_S3_ACCESS_KEY=… and COLLISIONS_S3_SECRET_KEY=… into a file, then: kubectl --context"
                f" {CONTEXT} --namespace collisions create secret generic stage-store --from-env-file FILE"
            )
        self.shell.run(self.cluster.settings.scripts / "secrets", "--context", CONTEXT, "--store", store)

    def start_stores(self) -> None:
        """Wait for Postgres and for a store in the cluster, which gets its bucket."""
        self.kubectl("--namespace", "airflow", "rollout", "status", "statefulset/postgres", "--timeout", "300s")
        store = self.cluster.settings.store
        if self.cluster.settings.store_port:
            self.kubectl("--namespace", "collisions", "rollout", "status", f"statefulset/{store}", "--timeout", "300s")
        if store == MINIO:
            self._set_up_minio()
        if store == SEAWEEDFS:
            until(self._has_bucket, f"SeaweedFS has the bucket {BUCKET}", BUCKET_SECONDS)

    def _has_bucket(self) -> bool:
        """Does SeaweedFS have the bucket? It is made as soon as its parts have found one another."""
        pod = ("kubectl", "--context", CONTEXT, "--namespace", "collisions", "exec", "--stdin", "seaweedfs-0")
        weed = (*pod, "--", "/usr/bin/weed", "shell")
        listed = self.shell.attempt(*weed, stdin="s3.bucket.list\n")
        if not listed.ok:
            return False
        if BUCKET in [line.split("\t")[0].strip() for line in listed.out.splitlines()]:
            return True
        self.note(self.shell.attempt(*weed, stdin=f"s3.bucket.create -name {BUCKET}\n").out)
        return False

    def _set_up_minio(self) -> None:
        """Make the bucket and the stages' user."""
        manifest = self.cluster.settings.root / "k8s" / "minio-setup-job.yaml"
        kubectl = ("kubectl", "--context", CONTEXT)
        image = ("set", "image", "--local", "--filename", manifest, f"setup={self.images.stages}", "--output", "yaml")
        text = self.shell.output(*kubectl, *image)
        job = self.shell.output(*kubectl, "create", "--filename", "-", "--output", "name", stdin=text).strip()
        try:
            self.kubectl("--namespace", "collisions", "wait", "--for", "condition=Complete", job, "--timeout", "120s")
        except CommandFailed:
            self.note(self.shell.attempt(*kubectl, "--namespace", "collisions", "logs", job).out)
            raise

    def install_airflow(self) -> None:
        """Install or upgrade the release, unless it is already made of the same; wait for its workloads."""
        helm = ("helm", "--kube-context", CONTEXT)
        made_of = f"{self._release_hash()} {self.images.airflow}"
        deployed = self.shell.attempt(*helm, "--namespace", "airflow", "status", "airflow", "--output", "json").out
        if _is_deployed(deployed, made_of):
            self.note(f"unchanged: {made_of}\n")
        else:
            # A release left pending by a killed Helm is not installed, but would block the next one.
            pending = "owner=helm,name=airflow,status in (pending-install,pending-upgrade,pending-rollback)"
            self.kubectl("--namespace", "airflow", "delete", "secret", "--ignore-not-found", "--selector", pending)
            # The chart's Jobs cannot be changed, and one of the last release may be there still.
            self.kubectl(
                "--namespace", "airflow", "delete", "job", "--selector", "release=airflow", "--ignore-not-found"
            )
            self.shell.run(
                *helm, "upgrade", "--install", "airflow", *chart_words(self.cluster.settings),
                "--namespace", "airflow",
                "--values", self.cluster.settings.root / "helm-values" / "airflow.yaml",
                "--set", f"images.airflow.tag={self.images.airflow_tag}",
                "--set", f"config.api.base_url={self.cluster.settings.ui_address}",
                "--description", made_of,
                "--timeout", "15m", "--wait",
            )  # fmt: skip
        for workload in WORKLOADS:
            self.kubectl("--namespace", "airflow", "rollout", "status", workload, "--timeout", "600s")

    def check_store(self) -> None:
        """Refuse a store on which two concurrent writers win, or whose listings lag behind."""
        check_store(self.cluster)

    def remove_old_images(self) -> None:
        """Keep the images of this release and of the one before it."""
        for image in remove_old(self.cluster.shell, self.images):
            self.note(f"removed {image}\n")

    def _release_hash(self) -> str:
        """A hash of all that a release is made of but the image: Helm takes its time even where nothing has changed."""
        words = chart_words(self.cluster.settings)
        content = sha256((self.cluster.settings.root / "helm-values" / "airflow.yaml").read_bytes())
        content.update(self.cluster.settings.ui_address.encode())
        chart = Path(words[0])
        if len(words) > 1:
            content.update(" ".join(words).encode())  # in a repository, where a version is one content
        elif chart.is_dir():
            for file in sorted(path for path in chart.rglob("*") if path.is_file()):
                content.update(file.read_bytes())
        else:
            content.update(chart.read_bytes())
        return content.hexdigest()[:40]

    def open_ports(self) -> None:
        """Start the port-forwards unless they are kept, and wait until each answers."""
        forwards = self.cluster.forwards
        forwards.ensure()
        try:
            self._await_ports()
        except OpsError:  # a keeper that does not heal its forwards, as one of an earlier release
            forwards.start()
            self._await_ports()

    def _await_ports(self) -> None:
        for name, port in self.cluster.settings.forwarded.items():
            self.cluster.forwards.await_port(port, name)


def _is_deployed(status: str, made_of: str) -> bool:
    """Does `helm status` show a deployed release with this description?"""
    try:
        info = json.loads(status)["info"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(info.get("description") == made_of and info.get("status") == "deployed")


def say_where_to_look(cluster: Cluster, console: Console) -> None:
    """After a failure: the end of the log, and where the cause is likely to be seen."""
    log = cluster.settings.up_log
    console.note("\n".join(f"          {line}" for line in log.read_text(errors="replace").splitlines()[-LOG_LINES:]))
    console.note(f"what to look at:\n  {log}")
    if cluster.exists():
        options = ("--all-namespaces", "--field-selector", "status.phase!=Succeeded", "--no-headers")
        pods = cluster.shell.attempt("kubectl", "--context", CONTEXT, "get", "pods", *options).out
        for line in pods.splitlines():
            namespace, pod, ready, state, *_ = line.split()
            if len(set(ready.split("/"))) > 1:
                console.note(f"  kubectl --namespace {namespace} describe pod {pod}   # {state}")
        console.note("  kubectl get events --all-namespaces --sort-by .lastTimestamp | tail -n 20")
    console.note("then run scripts/up again: it continues from here")


def welcome(cluster: Cluster, console: Console) -> None:
    """Say where Airflow and MinIO are, how to log in, and what comes next."""
    ports = cluster.settings.ports
    console.print("Airflow", style="bold", end="")
    console.print(f"   http://127.0.0.1:{ports.UI_PORT}          user admin, password:")
    _login(cluster, console, "airflow", "airflow-admin", "password")
    if cluster.settings.store == MINIO:
        console.print("MinIO", style="bold", end="")
        console.print(f"     http://127.0.0.1:{ports.MINIO_CONSOLE_PORT}          user and password:")
        _login(cluster, console, "collisions", "minio-root", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
    console.print("\nnext      scripts/land FILE.csv …   scripts/trigger   scripts/status   scripts/query --cluster")


def _login(cluster: Cluster, console: Console, namespace: str, secret: str, *keys: str) -> None:
    """On a terminal the login itself; in a file or a log only the command that shows it."""
    if console.interactive:
        values = cluster.secret(namespace, secret)
        text = " ".join(values[key] for key in keys)
    else:
        template = " ".join(f"{{{{.data.{key} | base64decode}}}}" for key in keys)
        get = ("get", "secret", secret, "--output", f"go-template={template}")
        text = paste("kubectl", "--context", CONTEXT, "--namespace", namespace, *get)
    console.print(f"          {text}")
