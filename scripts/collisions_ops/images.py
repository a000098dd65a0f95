"""The two images of this work tree: their tags, their building, their way into the cluster's node."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from collisions_ops.errors import CommandFailed, OpsError
from collisions_ops.settings import AIRFLOW_IMAGE, CLUSTER, NODE, STAGES_IMAGE, Settings
from collisions_ops.shell import RUN_SECONDS, Shell

KEPT_RELEASES = 2
STAGES_PATHS = ("stages", "requirements/stages.txt", ".dockerignore")
AIRFLOW_PATHS = ("dags", *STAGES_PATHS)  # the stages' image that it starts is a part of it


@dataclass(frozen=True)
class Images:
    """The images by their names with tags."""

    stages: str
    airflow: str

    @classmethod
    def of(cls, settings: Settings, shell: Shell) -> Images:
        """The images of the work tree as it is now."""
        return cls(
            stages=f"{STAGES_IMAGE}:{content_tag(shell, settings.root, STAGES_PATHS)}",
            airflow=f"{AIRFLOW_IMAGE}:{content_tag(shell, settings.root, AIRFLOW_PATHS)}",
        )

    @property
    def airflow_tag(self) -> str:
        """The tag that a release is given."""
        return self.airflow.partition(":")[2]


def content_tag(shell: Shell, root: Path, paths: tuple[str, ...]) -> str:
    """A tag that names one content: the last commit of these paths, and a hash of what differs from it."""
    tag = shell.output("git", "log", "-1", "--format=%h", "--abbrev=12", "--", *paths, cwd=root).strip()
    if not tag:
        raise OpsError(f"no commit contains {' '.join(paths)}")
    if shell.output("git", "status", "--porcelain", "--", *paths, cwd=root):
        listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths)
        names = sorted({name for name in shell.output(*listed, cwd=root).split("\0") if (root / name).is_file()})
        hashes = shell.output("git", "hash-object", "--stdin-paths", stdin="\n".join(names) + "\n", cwd=root).split()
        lines = "".join(f"{name} {content}\n" for name, content in zip(names, hashes, strict=True))
        tag += "-" + shell.output("git", "hash-object", "--stdin", stdin=lines)[:8]
    return tag


class Build:
    """The building of the images, in the background while the cluster starts."""

    def __init__(self, settings: Settings, shell: Shell, images: Images, log: Path) -> None:
        self._root, self._log = settings.root, log
        log.write_bytes(b"")
        self._shell = Shell(shell.environ, log=log)
        self._left = [
            (images.stages, "stages/Dockerfile", f"TAG={images.stages.partition(':')[2]}"),
            (images.airflow, "dags/Dockerfile", f"STAGE_IMAGE={images.stages}"),
        ]
        self._running: subprocess.Popen[bytes] | None = None
        self._plain = plain_build(shell)
        self._next()

    def _next(self) -> None:
        """Start the build of the next image that Docker does not have; the second is made after the first."""
        self._running = None
        while self._left and self._running is None:
            image, dockerfile, argument = self._left.pop(0)
            if not self._shell.attempt("docker", "image", "inspect", image).ok:
                words = ("--file", self._root / dockerfile, "--tag", image, "--build-arg", argument, self._root)
                self._running = self._shell.start("docker", "build", *self._plain, *words)

    def finish(self) -> None:
        """Wait until both images are there; raises CommandFailed."""
        while self._running is not None:
            try:
                code = self._running.wait(RUN_SECONDS)
            except subprocess.TimeoutExpired:
                raise CommandFailed(f"docker build: did not finish within {RUN_SECONDS} s", 124) from None
            if code != 0:
                raise CommandFailed(f"docker build: exit code {code}", code)
            self._next()

    def stop(self) -> None:
        """End a build that is still under way."""
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()
            self._running.wait()

    def said(self) -> bytes:
        """What Docker printed."""
        return self._log.read_bytes()


def plain_build(shell: Shell) -> list[str]:
    """The option that makes an image of one manifest, where Docker's builder knows it.

    With attestations an image is an index, of which `kind load` finds only a part ("content digest … not found":
    https://github.com/kubernetes-sigs/kind/issues/3795). The classic builder of Docker 20 makes none.
    """
    return ["--provenance=false"] if "--provenance" in shell.attempt("docker", "build", "--help").out else []


def load(shell: Shell, images: list[str]) -> None:
    """Bring into the node what it lacks of these images and this machine has; raises CommandFailed.

    Where `kind load docker-image` fails, as it can with the image store of Docker 29, by an archive of each image.
    """
    there = on_node(shell)
    missing = [
        image
        for image in images
        if (image if "/" in image else f"docker.io/library/{image}") not in there
        and shell.attempt("docker", "image", "inspect", image).ok
    ]
    if not missing:
        return
    try:
        shell.run("kind", "load", "docker-image", *missing, "--name", CLUSTER)
    except CommandFailed:
        with tempfile.TemporaryDirectory(prefix="collisions-") as folder:
            for image in missing:
                archive = Path(folder, "image.tar")
                shell.run("docker", "save", "--output", archive, image)
                shell.run("kind", "load", "image-archive", archive, "--name", CLUSTER)
                archive.unlink(missing_ok=True)


def on_node(shell: Shell) -> list[str]:
    """The images that the node has, by their full names."""
    return shell.output("docker", "exec", NODE, "ctr", "--namespace", "k8s.io", "images", "list", "--quiet").split()


def remove_old(shell: Shell, current: Images) -> list[str]:
    """Remove our images of all releases but the last two from this machine and the node; returns their names.

    A release is 1.2 GB, and only the one before the current one is for going back. One that a container still uses
    stays, on either side, until the next time.
    """
    removed = []
    for name, image in ((STAGES_IMAGE, current.stages), (AIRFLOW_IMAGE, current.airflow)):
        listed = ("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={name}")
        newest_first = shell.output("docker", *listed).split()  # as Docker lists them
        others = [other for other in newest_first if other != image]
        kept = {image, *others[: KEPT_RELEASES - 1]}
        removed += [other for other in others if other not in kept and shell.attempt("docker", "rmi", other).ok]
        for full in on_node(shell):
            short = full.removeprefix("docker.io/library/")
            if short.partition(":")[0] == name and short not in kept:
                removed += [full] if shell.attempt("docker", "exec", NODE, "crictl", "rmi", full).ok else []
    return removed
