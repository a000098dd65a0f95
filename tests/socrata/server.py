"""The API over HTTP: SODA2, SODA3, the portal's export; each answer may be spoiled by a fault that was ordered."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from socrata.soql import BadQuery, answer, clauses
from socrata.table import Row, Table

DRIP_SECONDS = 0.2  # between two bytes of a dripping answer


@dataclass
class Fault:
    """A misbehaviour of the next answers of a kind: `page`, `count`, `export`, `probe` or `any`.

    `kind`: `status` (with `status` and `retry_after`; `status, drip`: byte by byte), `cut` (the connection ends in the
    middle), `reset`, `short` (the second half of the rows is missing), `tail` (an export ends within its last row),
    `renamed` (an export's key has another title), `gap` (the second row is missing, and the page is full all the same),
    `twice` (a row in place of another), `first` (the first page comes again), `old` (by its headers of an earlier
    state), `drip`, `html` (an error page with 200), `nul`, `latin` and `cr` (a character, the encoding or the line ends
    that no CSV of the API has), `types` (a header that does not say them), `narrow` (the first column alone), `short
    row` (its last field is missing) or `none`.
    `pause`: seconds in the middle of the answer.
    `then` is done after the answer: the table changes underneath. `skip` answers are good ones; then `times` are not.
    """

    kind: str = "none"
    on: str = "page"
    status: int = 503
    retry_after: str = ""
    pause: float = 0
    then: Callable[[], None] | None = None
    skip: int = 0
    times: int = 1


@dataclass
class SocrataServer:
    """Serves tables on a free port of 127.0.0.1. `requests` lists what was asked: kind and address or query; `tell` is
    given the same at once.

    With a `token` every request must carry it. `skew`: how far its clock is ahead. `tls`: a file with a certificate and
    its key.
    """

    tables: list[Table]
    token: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    skew: timedelta = timedelta()
    tls: Path | None = None
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    encodings: set[str] = field(default_factory=set)
    tell: Callable[[str, str], None] = lambda kind, request: None

    def __enter__(self) -> SocrataServer:
        handler = type("Handler", (_Handler,), {"api": self})
        self.http = ThreadingHTTPServer((self.host, self.port), handler)
        self.http.daemon_threads = True
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls)
            # The handshake is made by the connection's own thread, not by the one that accepts.
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def table(self, id_: str) -> Table | None:
        """The table of a four-by-four."""
        return next((table for table in self.tables if table.id == id_), None)

    def fault(self, kind: str) -> Fault:
        """The fault of an answer, which is used up by it."""
        for fault in self.faults:
            if fault.on in {kind, "any"}:
                if fault.skip:
                    fault.skip -= 1
                    return Fault()
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault
        return Fault()


class _Handler(BaseHTTPRequestHandler):
    api: SocrataServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        given = {name.removeprefix("$"): value for name, value in parse_qsl(address.query)}
        parts = address.path.strip("/").split("/")
        if parts[0] == "resource" and parts[1].endswith(".csv"):
            self._query(parts[1].removesuffix(".csv"), given, self.path)
        elif parts[:2] == ["api", "views"] and parts[3] == "rows.csv":
            self._export(parts[2])
        else:
            self._refuse(404, "Not found")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[:3] != ["api", "v3", "views"] or parts[4] not in {"query.csv", "export.csv"}:
            self._refuse(404, "Not found")
        elif not self.headers.get("X-App-Token"):
            self._refuse(403, "You must be authenticated or provide an app token")
        elif parts[4] == "export.csv":
            self._export(parts[3])
        else:
            page = body.get("page", {})
            assert page.get("pageNumber", 1) == 1
            given = {"limit": str(page.get("pageSize", 1000))}
            try:
                given |= clauses(body["query"])
            except BadQuery as error:
                self._refuse(400, str(error))
                return
            self._query(parts[3], given, f"{self.path} {body['query']}")

    def _query(self, id_: str, given: dict[str, str], shown: str) -> None:
        kind = "count" if "(" in given.get("select", "") else "probe" if ":*" in given.get("select", "") else "page"
        table = self._allowed(kind, id_, shown)
        if table is None:
            return
        fault = self.api.fault(kind)
        if fault.kind == "first":
            given["where"] = re.sub(r" and \(:id > '[^']*'\)", "", given["where"])
        limit = int(given.get("limit", "1000")) + (fault.kind == "gap")
        try:
            columns, rows = answer(
                table, given.get("select", "*"), given.get("where", ""), given.get("order", ""), limit
            )
        except BadQuery as error:
            self._refuse(400, str(error))
            return
        if fault.kind == "narrow":
            columns = columns[:1]
        types = None if fault.kind == "types" else [table.types.get(name, "text") for name in columns]
        headers = {"X-SODA2-Fields": json.dumps(columns), "X-SODA2-Types": json.dumps(types)}
        self._csv(table, columns, rows, headers, fault)

    def _export(self, id_: str) -> None:
        table = self._allowed("export", id_, self.path)
        if table is not None:
            fault = self.api.fault("export")
            lines = table.portal_csv().splitlines(keepends=True)
            kept = {
                "short": lines[: len(lines) // 2],
                "tail": [*lines[:-1], lines[-1][: len(lines[-1]) // 2]],
                "twice": [*lines[:-1], lines[1]],
                "renamed": [lines[0].replace("COLLISION", "CASE").replace("_ID", "_NO"), *lines[1:]],
            }
            self._send(table, "".join(kept.get(fault.kind, lines)).encode(), {}, fault)

    def _allowed(self, kind: str, id_: str, shown: str) -> Table | None:
        self.api.requests.append((kind, shown))
        self.api.encodings.add(self.headers.get("Accept-Encoding", ""))
        self.api.tell(kind, shown)
        token = self.headers.get("X-App-Token", "")
        if self.api.token and token != self.api.token:
            self._refuse(403, "Invalid app_token specified")
            return None
        table = self.api.table(id_)
        if table is None:
            self._refuse(404, "dataset.missing")
        return table

    def _csv(self, table: Table, columns: list[str], rows: list[Row], headers: dict[str, str], fault: Fault) -> None:
        """As the API writes it: every field that has something in it is quoted."""
        if fault.kind == "gap":
            rows = rows[:1] + rows[2:]
        if fault.kind == "short":
            rows = rows[: len(rows) // 2]
        if fault.kind == "twice":
            rows = [*rows[:-1], rows[0]] if len(rows) > 1 else rows * 2
        text = io.StringIO()
        for row in [{name: name for name in columns}, *rows]:
            fields = (row[name].replace('"', '""') for name in columns)
            text.write(",".join(f'"{field}"' if field else "" for field in fields) + "\n")
        body = text.getvalue().encode()
        spoiled = {"nul": body[:-2] + b"\0" + body[-2:], "latin": body[:-2] + b"\xe9" + body[-2:]}
        spoiled |= {"cr": body.replace(b"\n", b"\r"), "short row": body.rstrip().rpartition(b",")[0]}
        self._send(table, spoiled.get(fault.kind, body), headers, fault)

    def _send(self, table: Table, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault.kind.startswith("status"):
            after = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            said = json.dumps(
                {"error": True, "message": f"a fault on order, for the token {self.headers.get('X-App-Token', 'none')}"}
            )
            self._answer(fault.status, "application/json", said.encode(), after, fault)
        elif fault.kind == "html":
            self._answer(200, "text/html", b"<html><body>Down for maintenance</body></html>", {})
        else:
            changed = format_datetime(table.clock - timedelta(days=fault.kind == "old"), usegmt=True)
            stated = {"Last-Modified": changed, "X-SODA2-Truth-Last-Modified": changed}
            stated["ETag"] = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            self._answer(200, "text/csv; charset=utf-8", body, headers | stated, fault)
        if fault.then:
            fault.then()

    def _answer(self, status: int, kind: str, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        fault = fault or Fault()
        if "gzip" in self.headers.get("Accept-Encoding", "") and not fault.kind.endswith("drip"):
            body = gzip.compress(body, 1)
            headers = headers | {"Content-Encoding": "gzip"}
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if fault.kind.endswith("drip"):
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if self._has_gone(DRIP_SECONDS):
                        return
            else:
                half = len(body) // 2
                self.wfile.write(body[:half])
                if fault.pause and self._has_gone(fault.pause):
                    return
                if fault.kind == "cut":
                    self.close_connection = True
                else:
                    self.wfile.write(body[half:])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _has_gone(self, seconds: float) -> bool:
        """Wait; whether the reader has gone."""
        self.connection.settimeout(seconds)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return False

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"error": True, "message": message}).encode()
        self._answer(status, "application/json; charset=utf-8", body, {})

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the server's own clock."""
        return format_datetime(datetime.now(UTC) + self.api.skew, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class's name
        """Say nothing."""
