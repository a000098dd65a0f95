"""The project's images: built plainly, loaded by either way, removed when old. Docker and kind by name alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from collisions_ops.errors import CommandFailed
from collisions_ops.images import Images, load, plain_build, remove_old
from collisions_ops.shell import Shell

CURRENT = Images("collisions-stages:c", "collisions-airflow:c")


def shell(folder: Path, **programs: str) -> Shell:
    """A shell with these programs; each writes its arguments to `said`."""
    for name, does in programs.items():
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/said\n{does}\n')
        (folder / name).chmod(0o755)
    return Shell({"PATH": f"{folder}:/usr/bin:/bin"}, log=folder / "log")


def said(folder: Path) -> list[str]:
    """The programs that were run, with their arguments."""
    return (folder / "said").read_text().splitlines()


@pytest.mark.parametrize(
    ("help_text", "options"), [("  --provenance string", ["--provenance=false"]), ("  --tag list", [])]
)
def test_an_image_is_built_without_attestations_where_the_builder_makes_them(
    tmp_path: Path, help_text: str, options: list[str]
) -> None:
    assert plain_build(shell(tmp_path, docker=f"echo '{help_text}'")) == options


def test_only_what_the_node_lacks_is_loaded(tmp_path: Path) -> None:
    load(shell(tmp_path, docker="echo docker.io/library/a:1", kind=""), ["a:1", "quay.io/b:2"])
    assert [line for line in said(tmp_path) if line.startswith("kind")] == [
        "kind load docker-image quay.io/b:2 --name collisions"
    ]


def test_an_image_that_kind_cannot_load_goes_by_an_archive(tmp_path: Path) -> None:
    load(shell(tmp_path, docker="", kind='case "$*" in *docker-image*) exit 1 ;; esac'), ["a:1", "b:2"])
    saved = [line.split()[-1] for line in said(tmp_path) if line.startswith("docker save")]
    assert saved == ["a:1", "b:2"]
    assert sum(line.startswith("kind load image-archive") for line in said(tmp_path)) == 2


def test_an_image_that_cannot_be_loaded_either_way_fails(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="kind load image-archive"):
        load(shell(tmp_path, docker="", kind="exit 1"), ["a:1"])


def test_images_of_the_last_two_releases_are_kept(tmp_path: Path) -> None:
    docker = """case "$*" in
      *reference=collisions-stages*) printf 'collisions-stages:%s\\n' c b a ;;
      *reference=collisions-airflow*) printf 'collisions-airflow:%s\\n' b c a ;;
      *ctr*) printf 'docker.io/library/collisions-stages:%s\\n' a b c; echo docker.io/library/postgres:17 ;;
    esac"""
    assert remove_old(shell(tmp_path, docker=docker), CURRENT) == [
        "collisions-stages:a",
        "docker.io/library/collisions-stages:a",
        "collisions-airflow:a",
    ]


def test_an_image_in_use_stays(tmp_path: Path) -> None:
    docker = """case "$*" in
      *reference=collisions-stages*) printf 'collisions-stages:%s\\n' c b a ;;
      rmi*) exit 1 ;;
    esac"""
    assert remove_old(shell(tmp_path, docker=docker), CURRENT) == []
