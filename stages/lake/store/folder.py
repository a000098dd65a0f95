"""A folder as the lake."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR

from stages.errors import ConfigError, ObjectMissing, PreconditionFailed
from stages.lake import keys
from stages.lake.store import ANY, ObjectInfo, ObjectStore, sha256_of


class FolderStore(ObjectStore):
    """A folder as a bucket.

    A new object is written under `.tmp/` and renamed into place. Its ETag is made of inode, size and the times of the
    last change of content and of anything else (`cp -p` sets the former back), so that a listing reads no content; to
    keep it steady, a put of the same content leaves the object as it is. Metadata is in a hidden file beside the
    object, and holds for its content alone: a copy of both keeps it, another file in the object's place does not.
    """

    STALE_SECONDS = 24 * 3600

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.tmp = self.root / ".tmp"
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not (nearest.is_dir() and os.access(nearest, os.R_OK | os.X_OK)):
            raise ConfigError(f"COLLISIONS_LAKE {self.root}: not a readable folder")
        for leftover in self.tmp.glob("put-*"):  # of a process that was killed while it wrote
            with suppress(FileNotFoundError):  # another process has finished it, or tidies up too
                if time.time() - leftover.stat().st_mtime > self.STALE_SECONDS:
                    leftover.unlink()

    def _path(self, key: str) -> Path:
        return self.root / key

    @staticmethod
    def _metadata_path(path: Path) -> Path:
        name = path.name if len(path.name) <= keys.LONGEST_NAME else keys.safe_name(path.name)
        return path.with_name(f".{name}.metadata")

    def _info(self, key: str, stat: os.stat_result) -> ObjectInfo:
        etag = f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_ctime_ns:x}-{stat.st_size:x}"
        return ObjectInfo(key, stat.st_size, etag, datetime.fromtimestamp(stat.st_mtime, UTC))

    def list(self, prefix: str) -> list[ObjectInfo]:
        folder = self.root / prefix.rpartition("/")[0]
        found = []
        for parent, folders, files in os.walk(folder, onerror=_raise_unless_gone, followlinks=True):
            folders[:] = [name for name in folders if not (name.startswith(".") or _is_loop(Path(parent, name)))]
            for name in files:
                path = Path(parent, name)
                key = path.relative_to(self.root).as_posix()
                if name.startswith(".") or not key.startswith(prefix):
                    continue
                info = self.head(key)
                if info is not None:  # else it was deleted meanwhile
                    found.append(info)
        return sorted(found, key=lambda info: info.key)

    def head(self, key: str) -> ObjectInfo | None:
        try:
            found = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if S_ISDIR(found.st_mode) else self._info(key, found)

    def metadata(self, key: str) -> dict[str, str]:
        info = self.head(key)
        if info is None:
            raise ObjectMissing(f"{self.describe(key)}: no such object")
        path = self._path(key)
        try:
            stored = json.loads(self._metadata_path(path).read_bytes())
            if "sha256" not in stored:  # as earlier versions wrote it
                same = stored["etag"] == info.etag
            else:
                same = _size_and_time(path) == (stored["size"], stored["modified"]) or (
                    info.size == stored["size"] and sha256_of(path) == stored["sha256"]
                )
        except (FileNotFoundError, ValueError):  # there is none, or a full disk has cut it
            return {}
        return stored["metadata"] if same else {}

    def read(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectMissing(f"{self.describe(key)}: no such object") from None

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise ObjectMissing(f"{self.describe(key)}: no such object")
        yield path

    def put(
        self, key: str, data: bytes | Path, *, metadata: Mapping[str, str] | None = None, expect: str | None = ANY
    ) -> str:
        path = self._path(key)
        temporary = self.tmp / f"put-{uuid.uuid4().hex}"
        declared = temporary.with_suffix(".metadata")
        try:
            self.tmp.mkdir(parents=True, exist_ok=True)
            if isinstance(data, Path):
                shutil.copyfile(data, temporary)
                _flush(temporary)  # what is published survives a power cut; a torn partition shows in its ETag
            else:
                temporary.write_bytes(data)
            if metadata is not None:
                size, modified = _size_and_time(temporary)
                stated = {
                    "size": size,
                    "modified": modified,
                    "sha256": sha256_of(temporary),
                    "metadata": _lower(metadata),
                }
                declared.write_text(json.dumps(stated))
                _flush(declared)
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                info = self.head(key)
                if expect not in {ANY, info.etag if info else None}:
                    raise PreconditionFailed(
                        f"{self.describe(key)}: another run has written it in the meantime; a new try will do"
                    )
                if info is not None and metadata is None and _same_content(temporary, path):
                    return info.etag
                if metadata is not None:  # first: of an object that is not there yet, it says nothing
                    declared.replace(self._metadata_path(path))
                temporary.replace(path)
                return self._info(key, path.stat()).etag
        finally:
            temporary.unlink(missing_ok=True)
            declared.unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One writer at a time compares and renames; the system frees the lock of a process that dies."""
        with (self.tmp / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def delete(self, key: str) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        self._metadata_path(path).unlink(missing_ok=True)

    def describe(self, key: str) -> str:
        return str(self._path(key))


def _raise_unless_gone(error: OSError) -> None:
    """A folder that cannot be listed is not an empty one."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _is_loop(folder: Path) -> bool:
    """Whether a folder is a link to one that contains it."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _same_content(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while block := a.read(1 << 20):
            if block != b.read(1 << 20):
                return False
    return True


def _size_and_time(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _flush(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in metadata.items()}
