"""A bucket of any S3 server as the lake."""

from __future__ import annotations

import hashlib
import io
import re
import socket
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from stages.errors import ConfigError, ObjectMissing, PreconditionFailed, StoreDenied, StoreUnavailable
from stages.lake.store import ANY, ObjectInfo, ObjectStore
from stages.settings import Settings

T = TypeVar("T")


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
        self.server, self.secure = settings.s3_endpoint, settings.s3_secure
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
        """Run `call` and translate the client's errors into the pipeline's classes."""
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
            raise StoreUnavailable(f"{self.describe(key)}: no valid response from {self.server}: {cause}") from None

    @staticmethod
    def _info(key: str, found: Any) -> ObjectInfo:
        # A listing's time may have milliseconds; a HEAD's never has, and the two are compared.
        modified = found.last_modified.replace(microsecond=0)
        return ObjectInfo(key, found.size, found.etag.strip('"'), modified)

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
                raise PreconditionFailed(
                    f"{self.describe(key)}: another run has written it in the meantime; a new try will do"
                )
            if response.status != 200:
                raise S3Error.fromxml(response)  # `_ask` classifies it like any other
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
