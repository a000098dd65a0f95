"""The lake's one seam: a folder or an S3 bucket, behind the same few verbs.

Both promise: a reader sees an object whole or not at all; `put` with `expect` writes only over the version that the
caller has read; an ETag changes exactly when the content does; errors are those of stages.errors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from stages.settings import Settings

ANY: Final = "*any*"  # `expect`: whatever is there, or nothing


@dataclass(frozen=True)
class ObjectInfo:
    """One object as a listing or its head shows it, the same in both; `etag` is opaque, `last_modified` is UTC."""

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
        raises PreconditionFailed otherwise. Only an unconditional put takes metadata.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object; it is not an error if there is none."""

    @abstractmethod
    def describe(self, key: str) -> str:
        """The object's address, for people."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def open_store(settings: Settings) -> ObjectStore:
    """The store that `settings.lake` names; raises ConfigError where it cannot be used."""
    from stages.lake.store.folder import FolderStore
    from stages.lake.store.s3 import S3Store

    if settings.lake.startswith("s3://"):
        bucket, _, prefix = settings.lake.removeprefix("s3://").partition("/")
        return S3Store(settings, bucket, prefix.strip("/"))
    return FolderStore(Path(settings.lake))
