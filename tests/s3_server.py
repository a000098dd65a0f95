"""A real S3 server for the tests: MinIO where there is one ($MINIO_SERVER, or `minio` on the PATH), else SeaweedFS."""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from lake import Lake
from minio import Minio
from ports import free_ports

START_SECONDS = 240  # SeaweedFS takes up to half a minute to start again after it was killed
BUCKET = "collisions"


def find_server() -> tuple[str, str] | None:
    """Which server there is: its kind and its program."""
    if minio := os.environ.get("MINIO_SERVER") or shutil.which("minio"):
        return "minio", minio
    if weed := shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"):
        return "weed", weed
    return None


class S3Server:
    """A server process with its data in `folder`; a stopped one may be started again."""

    def __init__(self, folder: Path) -> None:
        found = find_server()
        assert found is not None
        self.kind, self.program = found
        self.folder = folder
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        self.ports = free_ports(8)
        self.endpoint = f"127.0.0.1:{self.ports[0]}"
        self.client = Minio(
            self.endpoint, self.access_key, self.secret_key, secure=False, region="us-east-1", cert_check=False
        )
        self.process: subprocess.Popen[bytes] | None = None

    def _command(self) -> list[str]:
        if self.kind == "minio":
            return [self.program, "server", "--quiet", f"--address={self.endpoint}", str(self.folder / "data")]
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        names = ["s3.port", "s3.port.grpc", "filer.port", "filer.port.grpc", "volume.port", "volume.port.grpc"]
        names += ["master.port", "master.port.grpc"]
        return [
            *(self.program, "server", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-filer", "-s3", f"-s3.config={config}", "-volume.max=50", "-master.volumeSizeLimitMB=64"),
            *(
                "-master.telemetry=false",
                "-s3.iam=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
            ),
            *(f"-{name}={port}" for name, port in zip(names, self.ports, strict=True)),
        ]

    def start(self) -> None:
        """Start, and wait until it serves requests."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        settings = {"MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key, "MINIO_BROWSER": "off"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env=os.environ | settings | {"HOME": str(self.folder)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                if not self.client.bucket_exists(BUCKET):
                    self.client.make_bucket(BUCKET)
                self.client.put_object(BUCKET, "probe", io.BytesIO(b"x"), 1)
                self.client.remove_object(BUCKET, "probe")
                return
            except Exception:
                gone = self.process.poll() is not None
                if gone or time.monotonic() > until:
                    self.stop()
                    raise RuntimeError(
                        f"{self.kind} did not start: {(self.folder / 'server.log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.1)

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """Stop answering; connections are still accepted."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def lake(self, **settings: str) -> Lake:
        """A lake of its own, below a prefix of the one bucket."""
        given = {
            "lake": f"s3://{BUCKET}/{secrets.token_hex(4)}/lake",
            "s3_endpoint": self.endpoint,
            "s3_access_key": self.access_key,
            "s3_secret_key": self.secret_key,
            "s3_secure": "false",
        }
        return Lake(None, **given | settings)
