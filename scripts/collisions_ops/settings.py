"""Every path, port and version, from the environment and the work tree, read once.

STATE holds everything that may be deleted at any time; VENV (.venv) is the one environment. A version stands in one
place: here if nothing else declares it, else it is read from the file that does (k8s/*.yaml, dags/Dockerfile).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from collisions_ops.errors import OpsError

ROOT = Path(__file__).resolve().parents[2]

# Names on the cluster.
CLUSTER = "collisions"
NODE = f"{CLUSTER}-control-plane"
CONTEXT = f"kind-{CLUSTER}"
STAGES_IMAGE, AIRFLOW_IMAGE = "collisions-stages", "collisions-airflow"

# What holds the lake, and the port of its Service, of the same name, if it runs in the cluster (k8s/, stores/).
MINIO, SEAWEEDFS, OWN_BUCKET = "minio", "seaweedfs", "own-bucket"
STORES = {MINIO: 9000, SEAWEEDFS: 8333, OWN_BUCKET: None}

# The pipeline.
DAG = "collisions_pipeline"
STAGES = ("ingest_raw", "transform_clean", "transform_curated", "model_analytics")

CHART_VERSION = "1.22.0"
CHART_REPOSITORY = "https://airflow.apache.org"
HELM_MINIMUM = (3, 19)  # the chart's own


@dataclass(frozen=True)
class Ports:
    """The ports on 127.0.0.1, under the names that the environment and the file of the last choice have them.

    MINIO_PORT is that of the store, whichever runs in the cluster.
    """

    UI_PORT: int = 8080
    MINIO_PORT: int = 9000
    MINIO_CONSOLE_PORT: int = 9001

    def text(self) -> str:
        """The ports as NAME=NUMBER lines."""
        return "".join(f"{name}={port}\n" for name, port in vars(self).items())


@dataclass(frozen=True)
class Settings:
    """Where things are, and what the caller's environment asks for."""

    environ: Mapping[str, str]
    root: Path
    state: Path
    ports: Ports
    store: str = MINIO

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], root: Path = ROOT) -> Settings:
        """Read the environment, and the ports that scripts/up chose last; raises OpsError on a malformed value."""
        state = Path(environ.get("STATE") or root / ".collisions").absolute()
        given = {name: _port(name, environ[name]) for name in vars(Ports()) if environ.get(name)}
        remembered = remembered_ports(state / "cluster" / "ports")
        chosen = state / "cluster" / "store"
        store = environ.get("STORE") or (chosen.read_text().strip() if chosen.exists() else MINIO)
        if store not in STORES:
            raise OpsError(f"STORE is {store!r}: set it to one of {', '.join(STORES)}")
        return cls(
            environ=MappingProxyType(dict(environ)),
            root=root,
            state=state,
            ports=Ports(**(vars(remembered or Ports()) | given)),
            store=store,
        )

    @property
    def forwarded(self) -> dict[str, int]:
        """The ports that are forwarded, by their names."""
        names = {"UI_PORT"}
        names |= {"MINIO_PORT"} if self.store_port else set()
        names |= {"MINIO_CONSOLE_PORT"} if self.store == MINIO else set()
        return {name: port for name, port in vars(self.ports).items() if name in names}

    @property
    def store_port(self) -> int | None:
        """The port of the store's Service; None where it is not in the cluster."""
        return STORES[self.store]

    @property
    def manifests(self) -> Path:
        """The kustomization of everything on the cluster but Airflow."""
        return self.root / "k8s" if self.store == MINIO else self.root / "stores" / self.store

    # --- the work tree and its environment ---

    @property
    def venv(self) -> Path:
        """The environment that scripts/env.sh makes."""
        return Path(self.environ.get("VENV") or self.root / ".venv").absolute()

    @property
    def chosen_folders(self) -> dict[str, str]:
        """STATE and VENV where they are not the default: a command that is printed to be run needs them."""
        folders = {"STATE": (self.state, ".collisions"), "VENV": (self.venv, ".venv")}
        return {name: str(folder) for name, (folder, default) in folders.items() if folder != self.root / default}

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.venv / "bin" / "python"

    @property
    def scripts(self) -> Path:
        """The folder of the commands."""
        return self.root / "scripts"

    @property
    def ui_address(self) -> str:
        """Where this machine reaches the cluster's UI; links in alerts begin with it."""
        return f"http://127.0.0.1:{self.ports.UI_PORT}"

    # --- the cluster's state: pids, logs and ports; no secrets ---

    @property
    def cluster_state(self) -> Path:
        """The folder that scripts/down removes."""
        return self.state / "cluster"

    @property
    def ports_file(self) -> Path:
        """The ports of the last scripts/up."""
        return self.cluster_state / "ports"

    @property
    def store_file(self) -> Path:
        """The store of the last scripts/up."""
        return self.cluster_state / "store"

    @property
    def up_log(self) -> Path:
        """What scripts/up did."""
        return self.cluster_state / "up.log"

    @property
    def forward_log(self) -> Path:
        """What the port-forwards printed."""
        return self.cluster_state / "forward.log"

    @property
    def forward_pid(self) -> Path:
        """The process that keeps the port-forwards."""
        return self.cluster_state / "forward.pid"

    # --- the embedded runtime ---

    @property
    def airflow_home(self) -> Path:
        """The embedded Airflow's own folder."""
        return self.state / "airflow"

    @property
    def last_lake(self) -> Path:
        """The file that names the lake of the last scripts/demo."""
        return self.state / "last-lake"

    @property
    def embedded_lake(self) -> str:
        """The lake that COLLISIONS_LAKE names; without it, that of the last scripts/demo."""
        if named := self.environ.get("COLLISIONS_LAKE"):
            return named
        return self.lake_of_last_demo

    @property
    def lake_of_last_demo(self) -> str:
        """The lake of the last scripts/demo: while the UI runs, that of its scheduler."""
        return self.last_lake.read_text() if self.last_lake.exists() else str(self.state / "lake")

    # --- versions that other files declare ---

    def base_images(self) -> list[str]:
        """The images that the manifests name and that are not ours."""
        manifests = [path for path in sorted((self.root / "k8s").glob("*.yaml")) if path.stem not in STORES]
        manifests += self.manifests.glob(f"{self.store}.yaml")
        images = re.findall(
            r"^ *(?:- )?image: *(\S+:\S+)", "\n".join(path.read_text() for path in manifests), re.MULTILINE
        )
        return sorted(set(images))

    def chart_in_cache(self) -> Path:
        """Where the chart is kept, for a machine without network access."""
        home = self.environ.get("HOME") or "~"
        return Path(home).expanduser() / ".cache" / "collisions" / f"airflow-{CHART_VERSION}.tgz"


def remembered_ports(file: Path) -> Ports | None:
    """The ports in the file of the last choice; None where there is no such file."""
    try:
        lines = file.read_text().split()
    except FileNotFoundError:
        return None
    pairs = dict(line.partition("=")[::2] for line in lines)
    return Ports(**{name: _port(name, pairs[name]) for name in vars(Ports()) if name in pairs})


def _port(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise OpsError(f"{name} is {text!r}: set it to a port number")
    return int(text)
