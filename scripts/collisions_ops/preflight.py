"""What a machine must have before scripts/up makes anything, and what a store must do before it holds the lake."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from collisions_ops.cluster import Cluster
from collisions_ops.forwards import port_open
from collisions_ops.settings import CHART_REPOSITORY, CHART_VERSION, HELM_MINIMUM, Settings
from collisions_ops.shell import Shell, paste

TOOLS = ("docker", "kind", "kubectl", "helm", "git")
STORE_CHECK = "stages.lake.store.preflight"
NEED_MEMORY_GB = 6
NEED_DISK_GIB = 10


def problems(cluster: Cluster) -> list[str]:
    """Everything that is missing, a sentence each."""
    settings, shell = cluster.settings, cluster.shell
    found = [
        f'{tool} is not installed (README.md, "On Kubernetes", says where it comes from)'
        for tool in TOOLS
        if not shell.find(tool)
    ]
    if not found:
        found += [problem for problem in (_helm(shell), _memory(shell)) if problem]
    if shell.find("git") and not shell.attempt("git", "rev-parse", "--verify", "--quiet", "HEAD", cwd=settings.root).ok:
        found.append(f"{settings.root} is not a git checkout: images are tagged by commit")
    found += [problem for problem in (_disk(cluster), *_ports(cluster)) if problem]
    chart = settings.environ.get("AIRFLOW_CHART")
    if chart and not Path(chart).exists():
        found.append(f"AIRFLOW_CHART is '{chart}': no such file or folder")
    return found


def check_store(cluster: Cluster) -> str:
    """Try the cluster's store as the stages' user, from this machine; returns its verdict, raises CommandFailed."""
    environ = {name: value for name, value in cluster.settings.environ.items() if not name.startswith("COLLISIONS_")}
    shell = Shell(environ | cluster.lake_environment() | {"PYTHONPATH": str(cluster.settings.root)})
    return shell.output_of_both(cluster.settings.python, "-P", "-m", STORE_CHECK).strip()


def check_named_store(settings: Settings) -> int:
    """Try the store that the caller's environment names; returns the exit code."""
    environ = {**settings.environ, "PYTHONPATH": str(settings.root)}
    command = [str(settings.python), "-P", "-m", STORE_CHECK]
    return subprocess.run(command, env=environ, check=False).returncode


def chart_words(settings: Settings) -> list[str]:
    """The words that name the chart to Helm: a local file or folder, else Apache's repository."""
    given, cached = settings.environ.get("AIRFLOW_CHART"), settings.chart_in_cache()
    if given:
        return [given]
    if cached.is_file():
        return [str(cached)]
    return ["airflow", "--repo", CHART_REPOSITORY, "--version", CHART_VERSION]


def _helm(shell: Shell) -> str | None:
    text = shell.attempt("helm", "version", "--short").out.strip()
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if found and (int(found[1]), int(found[2])) >= HELM_MINIMUM:
        return None
    return f"helm is {text or 'of an unknown version'}; {'.'.join(map(str, HELM_MINIMUM))} or newer is needed"


def _memory(shell: Shell) -> str | None:
    text = shell.attempt("docker", "info", "--format", "{{.MemTotal}}").out.strip()
    if not text.isdigit():
        return "Docker does not answer: start it, and check that this user may use it (docker info)"
    gigabytes = int(text) // 1_000_000_000
    if gigabytes < NEED_MEMORY_GB:
        return f"Docker has {gigabytes} GB of memory; {NEED_MEMORY_GB} are needed (Docker Desktop: Settings, Resources)"
    return None


def _disk(cluster: Cluster) -> str | None:
    """Images and volumes go where Docker keeps them; where that is in a virtual machine, this machine's disk counts."""
    data = cluster.shell.attempt("docker", "info", "--format", "{{.DockerRootDir}}").out.strip()
    where = data if data and Path(data).is_dir() else cluster.settings.root
    lines = cluster.shell.attempt("df", "-Pk", where).out.splitlines()
    if len(lines) < 2:
        return f"df does not say how much disk is free at {where}"
    free = int(lines[1].split()[3]) // 1024**2
    if free < NEED_DISK_GIB and not cluster.exists():
        return f"{free} GiB of disk are free; {NEED_DISK_GIB} are needed"
    return None


def _ports(cluster: Cluster) -> list[str]:
    if cluster.forwards.kept():
        return []
    return [
        f"port {port} on 127.0.0.1 is taken; choose another: {paste('scripts/up', **{name: str(port + 1000)})}"
        for name, port in cluster.settings.forwarded.items()
        if not cluster.forwards.hold(port) and port_open(port)
    ]
