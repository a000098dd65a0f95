"""The lake's one seam: a folder or an S3 bucket, behind the same few verbs.

Both promise: a reader sees an object whole or not at all; `put` with `expect` writes only over the version that the
caller has read; an ETag changes exactly when the content does; errors are those of stages.shared.errors.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_ISDIR
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import urlsplit

from stages.shared.errors import ConfigError, ObjectMissing, PreconditionFailed, StoreDenied, StoreUnavailable
from stages.shared.settings import Settings

T = TypeVar("T")
ANY: Final = "*any*"  # `expect`: whatever is there, or nothing


@dataclass(frozen=True)
class ObjectInfo:
    """One object as a listing shows it; `etag` is opaque, `last_modified` is UTC."""

    key: str
    size: int
    etag: str
    last_modified: datetime


class ObjectStore(ABC):
    """Objects by key; keys are relative to the lake's root, with `/` between their parts."""

    @abstractmethod
    def list(self, prefix: str) -> list[ObjectInfo]:
        """Every object whose key starts with `prefix`, sorted by key."""

    @abstractmethod
    def head(self, key: str) -> ObjectInfo | None:
        """The object's entry, or None where there is no such object."""

    @abstractmethod
    def metadata(self, key: str) -> dict[str, str]:
        """What was given as metadata when the object was put; names are lower case."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The object's content; raises ObjectMissing."""

    @abstractmethod
    def local(self, key: str) -> Any:
        """A context that gives the object as a local file to read (a `Path`), for as long as it is open."""

    @abstractmethod
    def put(
        self, key: str, data: bytes | Path, *, metadata: Mapping[str, str] | None = None, expect: str | None = ANY
    ) -> str:
        """Write the object whole and return its ETag.

        `expect` is ANY, an ETag (the object must still be that version) or None (there must be no object);
        raises PreconditionFailed otherwise. Metadata goes with an unconditional put only.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""

    @abstractmethod
    def describe(self, key: str) -> str:
        """The object's address, for people."""


def open_store(settings: Settings) -> ObjectStore:
    """The store that `settings.lake` names; raises StoreDenied where it cannot be used."""
    if settings.lake.startswith("s3://"):
        bucket, _, prefix = settings.lake.removeprefix("s3://").partition("/")
        return S3Store(settings, bucket, prefix.strip("/"))
    return FolderStore(Path(settings.lake))


class FolderStore(ObjectStore):
    """A folder as a bucket.

    A new object is written under `.tmp/` and renamed into place. Its ETag is made of inode, time and size, so that a
    listing reads no content; to keep it steady, a put of the same content leaves the object as it is. Metadata lies
    in a hidden file beside the object.
    """

    STALE_SECONDS = 24 * 3600

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.tmp = self.root / ".tmp"
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not (nearest.is_dir() and os.access(nearest, os.R_OK | os.X_OK)):
            raise ConfigError(f"COLLISIONS_LAKE {self.root}: is no folder that can be read")
        for leftover in self.tmp.glob("put-*"):  # of a process that was killed while it wrote
            with suppress(FileNotFoundError):  # another process has finished it, or tidies up too
                if time.time() - leftover.stat().st_mtime > self.STALE_SECONDS:
                    leftover.unlink()

    def _path(self, key: str) -> Path:
        return self.root / key

    @staticmethod
    def _metadata_path(path: Path) -> Path:
        return path.with_name(f".{path.name}.metadata")

    def _info(self, key: str, stat: os.stat_result) -> ObjectInfo:
        etag = f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
        return ObjectInfo(key, stat.st_size, etag, datetime.fromtimestamp(stat.st_mtime, UTC))

    def list(self, prefix: str) -> list[ObjectInfo]:
        folder = self.root / prefix.rpartition("/")[0]
        found = []
        for parent, folders, files in os.walk(folder, onerror=_raise_unless_gone):
            folders[:] = [name for name in folders if not name.startswith(".")]
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
        try:
            stored = json.loads(self._metadata_path(self._path(key)).read_text())
        except FileNotFoundError:
            return {}
        return stored["metadata"] if stored["etag"] == info.etag else {}

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
        try:
            self.tmp.mkdir(parents=True, exist_ok=True)
            if isinstance(data, Path):
                shutil.copyfile(data, temporary)
            else:
                temporary.write_bytes(data)
            if isinstance(data, Path):  # what is published outlives a power cut; a torn partition shows by its ETag
                with temporary.open("rb") as written:
                    os.fsync(written.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                info = self.head(key)
                if expect not in {ANY, info.etag if info else None}:
                    raise PreconditionFailed(f"{self.describe(key)}: another run has written it meanwhile; run again")
                if info is not None and metadata is None and _same_content(temporary, path):
                    return info.etag
                stat = temporary.stat()  # a rename keeps inode, time and size, and so the ETag
                if metadata is not None:
                    stored = {"etag": self._info(key, stat).etag, "metadata": _lower(metadata)}
                    self._metadata_path(path).write_text(json.dumps(stored))
                temporary.replace(path)
                return self._info(key, stat).etag
        finally:
            temporary.unlink(missing_ok=True)

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
    """A folder that cannot be listed is no empty folder."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error


def _same_content(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as a, other.open("rb") as b:
        while block := a.read(1 << 20):
            if block != b.read(1 << 20):
                return False
    return True


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in metadata.items()}


class S3Store(ObjectStore):
    """A bucket of any S3 server, by the minio client.

    A conditional put goes to a presigned address, which takes the condition as a header: the client's own
    `put_object` has no conditional form.
    """

    CONNECT_SECONDS, ATTEMPTS = 5, 4
    KNOCK_SECONDS, KNOCKS = 0.2, 25

    def __init__(self, settings: Settings, bucket: str, prefix: str) -> None:
        import urllib3
        from minio import Minio
        from minio.helpers import check_bucket_name

        self.bucket, self.prefix = bucket, f"{prefix}/" if prefix else ""
        self.http = urllib3.PoolManager(
            maxsize=16,
            timeout=urllib3.Timeout(connect=self.CONNECT_SECONDS, read=settings.s3_timeout_seconds),
            retries=urllib3.Retry(
                total=self.ATTEMPTS - 1, backoff_factor=0.5, status_forcelist=[429, 500, 502, 503, 504]
            ),
        )
        try:
            self.client = Minio(
                endpoint=settings.s3_endpoint,
                access_key=settings.s3_access_key,
                secret_key=settings.s3_secret_key,
                secure=settings.s3_secure,
                region=settings.s3_region,
                http_client=self.http,
            )
            check_bucket_name(bucket, strict=True)
        except ValueError as error:
            raise ConfigError(
                f"lake {settings.lake!r} at COLLISIONS_S3_ENDPOINT {settings.s3_endpoint!r}: {error}"
            ) from None
        self.server = settings.s3_endpoint
        self._knock(443 if settings.s3_secure else 80)

    def _knock(self, usual_port: int) -> None:
        """Wait until the server takes a connection, for 5 s at most; whatever else is wrong shows when it is used.

        The network policies of a cluster learn of a new pod a second or two after its start and drop its packets until
        then, and TCP waits 1 s, then 2 s, before it tries again. Knocking often costs a fifth of that.
        """
        address = urlsplit(f"//{self.server}")
        for _ in range(self.KNOCKS):
            try:
                socket.create_connection((address.hostname, address.port or usual_port), self.KNOCK_SECONDS).close()
                return
            except TimeoutError:
                continue
            except OSError:
                return

    def _ask(self, key: str, call: Callable[[], T]) -> T:
        """Run `call` and put the client's errors into the pipeline's classes."""
        import urllib3
        from minio.error import InvalidResponseError, S3Error, ServerError

        try:
            return call()
        except S3Error as error:
            if error.code in {"NoSuchKey", "NoSuchObject"}:
                raise ObjectMissing(f"{self.describe(key)}: no such object") from None
            if error.code == "NoSuchBucket":
                raise StoreDenied(f"bucket {self.bucket!r} does not exist at {self.server}; create it") from None
            if error.code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
                raise StoreDenied(
                    f"{self.describe(key)} at {self.server}: {error.code};"
                    " check COLLISIONS_S3_ACCESS_KEY, its secret and its policy"
                ) from None
            raise StoreUnavailable(f"{self.describe(key)} at {self.server}: {error.code}: {error.message}") from None
        except (
            urllib3.exceptions.HTTPError,
            ServerError,
            InvalidResponseError,
            ConnectionError,
            TimeoutError,
        ) as error:
            cause = re.sub(r"\?X-Amz-\S*", "", str(error))  # a presigned address is a credential
            raise StoreUnavailable(
                f"{self.describe(key)}: {self.server} does not answer as it should: {cause}"
            ) from None

    @staticmethod
    def _info(key: str, found: Any) -> ObjectInfo:
        return ObjectInfo(key, found.size, found.etag.strip('"'), found.last_modified)

    def list(self, prefix: str) -> list[ObjectInfo]:
        def call() -> list[ObjectInfo]:
            found = self.client.list_objects(self.bucket, prefix=self.prefix + prefix, recursive=True)
            return [
                self._info(entry.object_name.removeprefix(self.prefix), entry) for entry in found if not entry.is_dir
            ]

        return sorted(self._ask(prefix, call), key=lambda info: info.key)

    def head(self, key: str) -> ObjectInfo | None:
        try:
            return self._info(key, self._ask(key, lambda: self.client.stat_object(self.bucket, self.prefix + key)))
        except ObjectMissing:
            return None

    def metadata(self, key: str) -> dict[str, str]:
        headers = self._ask(key, lambda: self.client.stat_object(self.bucket, self.prefix + key)).metadata or {}
        marker = "x-amz-meta-"
        return {
            name.lower().removeprefix(marker): value
            for name, value in headers.items()
            if name.lower().startswith(marker)
        }

    def read(self, key: str) -> bytes:
        def call() -> bytes:
            response = self.client.get_object(self.bucket, self.prefix + key)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

        return self._ask(key, call)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="collisions-") as folder:
            path = Path(folder, key.rpartition("/")[2])
            self._ask(key, lambda: self.client.fget_object(self.bucket, self.prefix + key, str(path)))
            yield path

    def put(
        self, key: str, data: bytes | Path, *, metadata: Mapping[str, str] | None = None, expect: str | None = ANY
    ) -> str:
        size = data.stat().st_size if isinstance(data, Path) else len(data)

        def content() -> BinaryIO:
            return data.open("rb") if isinstance(data, Path) else io.BytesIO(data)

        def unconditional() -> str:
            with content() as body:
                written = self.client.put_object(
                    self.bucket, self.prefix + key, body, size, metadata=dict(metadata or {})
                )
            return str(written.etag)

        def conditional() -> str:
            from minio.error import S3Error

            address = self.client.get_presigned_url("PUT", self.bucket, self.prefix + key, expires=timedelta(hours=1))
            headers = {"Content-Length": str(size), "Content-MD5": b64encode(_md5(data)).decode()}
            headers |= {"If-None-Match": "*"} if expect is None else {"If-Match": f'"{expect}"'}
            with content() as body:
                response = self.http.request("PUT", address, body=body, headers=headers)
            gone = response.status == 404 and b"NoSuchBucket" not in response.data  # what was to be replaced
            if gone or response.status in {409, 412}:
                raise PreconditionFailed(f"{self.describe(key)}: another run has written it meanwhile; run again")
            if response.status != 200:
                raise S3Error.fromxml(response)  # `_ask` classes it like any other
            return response.headers["etag"].strip('"')

        if expect == ANY:
            return self._ask(key, unconditional)
        if metadata is not None:
            raise ValueError("a presigned PUT carries no metadata: give metadata or a condition, not both")
        return self._ask(key, conditional)

    def delete(self, key: str) -> None:
        self._ask(key, lambda: self.client.remove_object(self.bucket, self.prefix + key))

    def describe(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"


def _md5(data: bytes | Path) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(data, Path):
        with data.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    else:
        digest.update(data)
    return digest.digest()
