"""The object store's contract: what holds of a folder holds of a real S3 server; and how a faulty server shows."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lake import Lake
from s3_server import S3Server

from stages.errors import ConfigError, ObjectMissing, PreconditionFailed, StoreDenied, StoreUnavailable
from stages.lake.store import ObjectInfo, ObjectStore
from stages.lake.store.s3 import S3Store


@pytest.fixture
def store(lake: Lake) -> ObjectStore:
    return lake.store


def head(store: ObjectStore, key: str) -> ObjectInfo:
    """The entry of an object that is there."""
    info = store.head(key)
    assert info is not None
    return info


def test_what_was_put_is_read_and_listed(store: ObjectStore) -> None:
    before = datetime.now(UTC)
    etag = store.put("a/b.txt", b"one")
    assert store.read("a/b.txt") == b"one"
    (info,) = store.list("a/")
    assert (info.key, info.size, info.etag) == ("a/b.txt", 3, etag)
    assert store.head("a/b.txt") == info
    assert abs(info.last_modified - before) < timedelta(minutes=1)
    assert info.last_modified.utcoffset() == timedelta(0)


def test_a_file_is_put_as_its_bytes_are(store: ObjectStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 30_000  # above 5 MiB, where clients begin to send in parts
    file = tmp_path / "upload"
    file.write_bytes(content)
    etag = store.put("big", file)
    assert store.read("big") == content
    with store.local("big") as path:
        assert path.read_bytes() == content
    assert store.put("big", file, expect=etag)
    assert store.read("big") == content


@pytest.mark.parametrize("key", ["with blank", "ünïcode/ключ", "a+b=c&d", "run__2026-01-01T00:00:00+00:00/x", "100%"])
def test_keys_of_any_text_work(store: ObjectStore, key: str) -> None:
    store.put(key, b"x")
    assert [info.key for info in store.list("")] == [key]
    assert store.read(key) == b"x"
    etag = head(store, key).etag
    store.put(key, b"y", expect=etag)
    store.delete(key)
    assert store.list("") == []


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    assert store.read("empty") == b""
    assert head(store, "empty").size == 0


def test_a_list_is_sorted_whole_and_of_its_prefix_only(store: ObjectStore) -> None:
    keys = ["raw/crashes/b", "raw/crashes/a/z", "raw/crashes2/c", "raw/crash", "raw/crashes/a.b"]
    for key in keys:
        store.put(key, key.encode())
    assert [info.key for info in store.list("raw/crashes/")] == ["raw/crashes/a.b", "raw/crashes/a/z", "raw/crashes/b"]
    assert [info.key for info in store.list("raw/crashes")] == sorted(keys)[1:]
    assert [info.key for info in store.list("")] == sorted(keys)
    assert store.list("nothing/") == []


def test_a_list_has_more_objects_than_a_page(lake: Lake) -> None:
    store = lake.store
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"many/{number:04}", b""), range(1005)))
    assert len(store.list("many/")) == 1005


def test_a_missing_object_is_reported(store: ObjectStore) -> None:
    store.put("folder/object", b"")
    for key in ("nothing", "folder", "folder/object/below"):
        assert store.head(key) is None
        for read in (store.read, store.metadata, lambda key: store.local(key).__enter__()):
            with pytest.raises(ObjectMissing, match="no such object"):
                read(key)


def test_delete_is_done_once_or_twice(store: ObjectStore) -> None:
    store.put("x", b"1", metadata={"a": "b"})
    store.delete("x")
    assert store.head("x") is None
    assert store.list("") == []
    store.delete("x")
    store.delete("never/was/there")
    store.put("x", b"1")
    assert store.metadata("x") == {}


def test_the_etag_changes_with_the_content_only(store: ObjectStore) -> None:
    first = store.put("x", b"one")
    assert store.put("x", b"one") == first == head(store, "x").etag
    second = store.put("x", b"two")
    assert second != first
    assert head(store, "x").etag == second


def test_metadata_stays_with_its_object(store: ObjectStore) -> None:
    store.put("x", b"1", metadata={"Extracted-At": "2024-09-16T10:00:00+00:00", "covers-start": "2024-06-30"})
    stated = {"extracted-at": "2024-09-16T10:00:00+00:00", "covers-start": "2024-06-30"}
    assert {name: value for name, value in store.metadata("x").items() if name in stated} == stated
    store.put("y", b"1")
    assert "extracted-at" not in store.metadata("y")
    store.put("x", b"2")
    assert "extracted-at" not in store.metadata("x")
    assert [info.key for info in store.list("")] == ["x", "y"]


@pytest.mark.parametrize("command", ["chmod -R u+w", "cp -a", "cp -r", "cp -al"])
def test_metadata_outlives_a_copy_of_the_folder(folder_lake: Lake, tmp_path: Path, command: str) -> None:
    folder_lake.store.put("landing/x.csv", b"1", metadata={"covers-start": "2024-06-30"})
    root = Path(folder_lake.environment["COLLISIONS_LAKE"])
    copies = command.startswith("cp")
    subprocess.run([*command.split(), root, *([tmp_path / "copy"] if copies else [])], check=True)
    store = Lake(lake=str(tmp_path / "copy" if copies else root)).store
    assert store.metadata("landing/x.csv") == {"covers-start": "2024-06-30"}
    (tmp_path / "other").write_bytes(b"2")
    os.utime(tmp_path / "other", (0, 0))
    (tmp_path / "other").replace(store.root / "landing/x.csv")  # type: ignore[attr-defined]
    assert store.metadata("landing/x.csv") == {}


def test_a_disk_that_is_full_leaves_no_object_without_its_metadata(
    folder_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a new one, nor one that was there."""
    store = folder_lake.store
    store.put("landing/x.csv", b"1", metadata={"a": "b"})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for broken in ("json.dumps", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(broken, full)
            with pytest.raises(OSError, match="No space left"):
                store.put("landing/y.csv", b"2", metadata={"c": "d"})
            with pytest.raises(OSError, match="No space left"):
                store.put("landing/x.csv", b"2", metadata={"c": "d"})
        assert [info.key for info in store.list("landing/")] == ["landing/x.csv"]
        assert store.metadata("landing/x.csv") == {"a": "b"}
    store.put("landing/x.csv", b"2", metadata={"c": "d"})
    assert store.metadata("landing/x.csv") == {"c": "d"}


def test_metadata_that_is_damaged_is_none(folder_lake: Lake) -> None:
    folder_lake.store.put("landing/x.csv", b"1", metadata={"a": "b"})
    (metadata,) = Path(folder_lake.environment["COLLISIONS_LAKE"], "landing").glob(".*")
    metadata.write_text("")
    assert folder_lake.store.metadata("landing/x.csv") == {}


def test_a_conditional_put_writes_over_what_was_read_only(store: ObjectStore) -> None:
    first = store.put("x", b"1", expect=None)
    with pytest.raises(PreconditionFailed, match="a new try will do"):
        store.put("x", b"2", expect=None)
    second = store.put("x", b"2", expect=first)
    assert second == head(store, "x").etag != first
    with pytest.raises(PreconditionFailed):
        store.put("x", b"3", expect=first)
    assert store.read("x") == b"2"
    store.delete("x")
    with pytest.raises(PreconditionFailed):
        store.put("x", b"3", expect=second)
    assert store.head("x") is None


def test_of_many_conditional_puts_at_once_one_wins(store: ObjectStore) -> None:
    etag: str | None = None
    for turn in range(5):
        barrier = threading.Barrier(6)

        def attempt(writer: int, turn: int = turn, etag: str | None = etag, start: threading.Barrier = barrier) -> str:
            start.wait()
            try:
                return store.put("x", f"{turn} {writer}".encode(), expect=etag)
            except PreconditionFailed:
                return ""

        with ThreadPoolExecutor(6) as pool:
            written = list(pool.map(attempt, range(6)))
        (winner,) = [writer for writer, tag in enumerate(written) if tag]
        assert store.read("x") == f"{turn} {winner}".encode()
        etag = written[winner]


def test_a_reader_sees_an_object_whole(store: ObjectStore, tmp_path: Path) -> None:
    contents = {bytes([letter]) * 300_000 for letter in b"ab"}
    store.put("x", min(contents))
    done = threading.Event()

    def write() -> None:
        for _ in range(20):
            for content in sorted(contents):
                store.put("x", content)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        seen = []
        while not done.is_set() and not writing.done():
            seen.append(store.read("x") in contents)
            assert [info.size for info in store.list("")] == [300_000]
        writing.result()
    assert seen
    assert all(seen)


# --- a folder -------------------------------------------------------------------------------------


def test_a_lake_that_is_not_a_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="COLLISIONS_LAKE"):
            Lake(lake=str(path)).store.list("")


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(folder_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("a/1/x", "a/2/y"):
        folder_lake.store.put(key, b"")
    scandir = os.scandir

    def fail(path: str) -> Any:
        if str(path).endswith("/a/2"):
            raise OSError(errno.EIO, "the disk says no", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(OSError, match="the disk says no"):
        folder_lake.store.list("a/")
    assert folder_lake.store.list("b/") == []


def test_files_of_a_linked_folder_are_listed_and_a_loop_of_links_ends(folder_lake: Lake, tmp_path: Path) -> None:
    """A folder of downloads may be linked into landing; a link to a folder above it adds nothing."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "a.csv").write_text("a")
    root = Path(folder_lake.environment["COLLISIONS_LAKE"])
    landing = root / "landing"
    landing.mkdir(parents=True)
    (landing / "linked").symlink_to(downloads)
    (downloads / "loop").symlink_to(downloads)
    (landing / "above").symlink_to(root)
    assert [info.key for info in folder_lake.store.list("landing/")] == ["landing/linked/a.csv"]


def test_a_file_changed_in_place_has_another_etag(folder_lake: Lake) -> None:
    store = folder_lake.store
    before = store.put("landing/crashes/a.csv", b"one")
    path = Path(folder_lake.environment["COLLISIONS_LAKE"], "landing/crashes/a.csv")
    path.write_bytes(b"one more")
    assert head(store, "landing/crashes/a.csv").etag != before


# --- an S3 server that is set up wrong, gone or faulty -----------------------------------------------


def test_wrong_credentials_are_a_wrong_setting(s3_server: S3Server) -> None:
    for wrong in ({"s3_secret_key": "wrong-wrong-wrong"}, {"s3_access_key": "nobody-at-all"}):
        store = s3_server.lake(**wrong).store
        calls: list[Callable[[], object]] = [
            partial(store.list, ""),
            partial(store.put, "x", b""),
            partial(store.put, "x", b"", expect=None),
            partial(store.read, "x"),
        ]
        for call in calls:
            with pytest.raises(StoreDenied, match="COLLISIONS_S3_ACCESS_KEY"):
                call()


def test_a_missing_bucket_is_a_wrong_setting(s3_server: S3Server) -> None:
    store = s3_server.lake(lake="s3://never-made/lake").store
    for call in (
        lambda: store.list(""),
        lambda: store.put("x", b""),
        lambda: store.put("x", b"", expect=None),
        lambda: store.read("x"),
        lambda: store.delete("x"),
    ):
        with pytest.raises(StoreDenied, match="never-made"):
            call()


@pytest.mark.parametrize("bucket", ["s3://", "s3://A_B", "s3://x"])
def test_an_impossible_bucket_is_a_wrong_setting(s3_server: S3Server, bucket: str) -> None:
    with pytest.raises(ConfigError, match="lake"):
        _ = s3_server.lake(lake=bucket).store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives up soon."""
    monkeypatch.setattr(S3Store, "ATTEMPTS", 2)


def calls(store: ObjectStore) -> list[Callable[[], object]]:
    return [
        lambda: store.list(""),
        lambda: store.head("x"),
        lambda: store.read("x"),
        lambda: store.local("x").__enter__(),
        lambda: store.put("x", b"content"),
        lambda: store.put("x", b"content", expect=None),
        lambda: store.delete("x"),
    ]


@contextmanager
def faulty_server(answer: bytes | None) -> Iterator[str]:
    """Accepts connections, reads a request, and gives this answer and hangs up; or, for None, never says anything."""
    open_connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if answer is None:
                    open_connections.append(connection)
                    continue
                with connection:
                    if not connection.recv(1 << 16):
                        continue  # it only looked whether somebody is there
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 16):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in open_connections:
                connection.close()


def store_at(endpoint: str) -> ObjectStore:
    return Lake(
        lake="s3://bucket/lake",
        s3_endpoint=endpoint,
        s3_access_key="someone",
        s3_secret_key="something",
        s3_secure="false",
        s3_timeout_seconds="1",
    ).store


@pytest.mark.usefixtures("impatient")
def test_a_stopped_server_is_unavailable() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{nobody.getsockname()[1]}"
        for call in calls(store_at(endpoint)):
            with pytest.raises(StoreUnavailable, match=endpoint):
                call()


def test_a_server_whose_network_drops_the_first_packets_is_asked_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    knocks, connect = [], socket.create_connection
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, connect(server.getsockname()):

        def knock(*arguments: Any) -> socket.socket:
            knocks.append(arguments)
            if len(knocks) == 3:  # until then the queue is full, and the system drops what asks for a connection
                server.accept()[0].close()
            return connect(*arguments)

        monkeypatch.setattr(socket, "create_connection", knock)
        store_at(f"127.0.0.1:{server.getsockname()[1]}")
    assert len(knocks) == 3


@pytest.mark.usefixtures("impatient")
def test_a_server_that_hangs_times_out() -> None:
    with faulty_server(None) as endpoint, ThreadPoolExecutor(7) as pool:
        for waiting in [pool.submit(call) for call in calls(store_at(endpoint))]:
            with pytest.raises(StoreUnavailable, match="timed out"):
                waiting.result(timeout=30)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops",
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"",
        b"220 mail.example.org ESMTP\r\n",
    ],
    ids=["503", "500", "429", "hangs up", "no HTTP"],
)
def test_a_faulty_server_is_unavailable(answer: bytes) -> None:
    with faulty_server(answer) as endpoint:
        for call in calls(store_at(endpoint)):
            with pytest.raises(StoreUnavailable, match=endpoint) as raised:
                call()
            assert "Signature" not in str(raised.value)  # the address of a conditional put is a credential


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_breaks_off_gives_no_half_object() -> None:
    answer = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\nLast-Modified: Mon, 16 Sep 2024 10:00:00 GMT\r\n'
        b"Connection: close\r\n\r\nonly a part"
    )
    with faulty_server(answer) as endpoint:
        store = store_at(endpoint)
        for call in (lambda: store.read("x"), lambda: store.local("x").__enter__(), lambda: store.list("")):
            with pytest.raises(StoreUnavailable, match=endpoint):
                call()
