"""Socrata's HTTP API: a query in, CSV out. What may pass by itself is tried again, with pauses, for a bounded time."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from stages.errors import ConfigError, DataError, SourceUnavailable
from stages.logs import log
from stages.settings import Settings

if TYPE_CHECKING:
    import httpx
    import tenacity

T = TypeVar("T")
CONNECT_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60  # seconds; the pause before a try is random, up to twice that of the one before
SLOWEST = 16_384  # bytes that must come within the time for which a silent source is waited for
SHOWN = 200  # characters of an answer that an error repeats


class _TryAgain(Exception):
    """What may pass by itself; `after` is how many seconds the server asks to wait."""

    def __init__(self, problem: str, after: float = 0) -> None:
        super().__init__(problem)
        self.after = after


@dataclass(frozen=True)
class Query:
    """A query in SoQL, by clause; `limit` is the largest number of rows that it answers with."""

    select: str
    where: str = ""
    order: str = ""
    limit: int = 1

    def soql(self) -> str:
        """The query in one line, without its limit."""
        where = f" WHERE {self.where}" if self.where else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        return f"SELECT {self.select}{where}{order}"


class Client:
    """One dataset of the API, `id` being its four-by-four. `requests` counts what was sent, tries included. What it may
    take counts from `began`, by time.monotonic().

    COLLISIONS_SOURCE_API chooses between SODA2 (GET /resource) and SODA3 (POST /api/v3, which wants a token).
    """

    def __init__(self, settings: Settings, id: str, began: float) -> None:  # noqa: A002 the city's own word
        import httpx

        self.settings, self.id = settings, id
        self.url = settings.source_url.rstrip("/")
        self.requests = 0
        token = {"X-App-Token": settings.source_token} if settings.source_token else {}
        if settings.source_api == "soda3" and not token:
            raise ConfigError("COLLISIONS_SOURCE_API=soda3 needs an app token: set COLLISIONS_SOURCE_TOKEN")
        try:
            httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"COLLISIONS_SOURCE_URL: {error}") from None
        try:
            self.http = httpx.Client(
                base_url=self.url,
                headers={"User-Agent": "collisions-pipeline", "Accept-Encoding": "gzip", **token},
                timeout=httpx.Timeout(settings.source_timeout_seconds, connect=CONNECT_SECONDS),
            )  # the environment's proxy and CA bundle (HTTPS_PROXY, SSL_CERT_FILE) are httpx's own affair
        except OSError as error:
            raise ConfigError(f"the CAs that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}") from None
        except (ValueError, ImportError, httpx.InvalidURL):  # whose texts may have the proxy's password
            raise ConfigError(
                "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used: give http://HOST:PORT or"
                " http://USER:PASSWORD@HOST:PORT, with characters such as # or / in them percent-encoded; SOCKS is not"
                " supported"
            ) from None
        self.deadline = began + settings.source_total_seconds
        # Whatever the server drips, even headers: at the deadline the connections are closed, and reading ends.
        self.timer = threading.Timer(self.deadline - time.monotonic(), self.http.close)
        self.timer.daemon = True
        self.timer.start()

    def close(self) -> None:
        """Close its connections."""
        self.timer.cancel()
        self.http.close()

    # --- requests ---

    def query(self, query: Query) -> httpx.Request:
        """The request for a query's rows, in the form of the API that the settings name."""
        if self.settings.source_api == "soda3":
            page = {"pageNumber": 1, "pageSize": query.limit}
            return self.http.build_request(
                "POST", f"/api/v3/views/{self.id}/query.csv", json={"query": query.soql(), "page": page}
            )
        clauses = {"select": query.select, "where": query.where, "order": query.order, "limit": str(query.limit)}
        text = urlencode({f"${name}": value for name, value in clauses.items() if value}, safe="$:,*()'")
        return self.http.build_request("GET", f"/resource/{self.id}.csv?{text}")

    def export(self) -> httpx.Request:
        """The request for the whole table, under the portal's names."""
        if self.settings.source_api == "soda3":
            return self.http.build_request("POST", f"/api/v3/views/{self.id}/export.csv", json={"query": "SELECT *"})
        return self.http.build_request("GET", f"/api/views/{self.id}/rows.csv?accessType=DOWNLOAD")

    def describe(self, request: httpx.Request) -> str:
        """A request in words, without its headers: the token is in one."""
        body = f" {request.content.decode()}" if request.content else ""
        return f"{request.method} {request.url}{body}"

    # --- answers ---

    def rows(self, query: Query) -> tuple[list[dict[str, str]], dict[str, str]]:
        """A short answer's rows as text, and its headers, whose names are lower case."""

        def take(response: httpx.Response, body: Iterator[bytes]) -> tuple[list[dict[str, str]], dict[str, str]]:
            lines = b"".join(body).decode("utf-8-sig").splitlines()
            return list(csv.DictReader(lines)), dict(response.headers)

        return self.ask(self.query(query), take)

    def ask(self, request: httpx.Request, take: Callable[[httpx.Response, Iterator[bytes]], T]) -> T:
        """Send a request and let `take` read the answer's body, from its beginning at each try.

        Raises SourceUnavailable once trying again has taken longer than the settings allow, not counting the time in
        which an answer came, or the client as a whole has; ConfigError where access is refused, DataError where the
        query is. `take` may raise Incomplete for an answer that is not whole.
        """
        import tenacity

        self.receiving = 0.0
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            wait=_pause,
            stop=self._gives_up,
            before_sleep=self._say_why,
            reraise=True,
        )
        try:
            found: T = tries(self._once, request, take)
            return found
        except _TryAgain as error:
            asked = f"; the server asks to wait {error.after:.0f} s" if error.after else ""
            raise SourceUnavailable(
                f"{self.describe(request)}: {error}{asked}; gave up after {tries.statistics['attempt_number']} tries"
                f" ({self.limit}); nothing of it was landed; run again later"
            ) from None

    def _gives_up(self, state: tenacity.RetryCallState) -> bool:
        waited = (state.seconds_since_start or 0) - self.receiving + state.upcoming_sleep
        if waited >= self.settings.source_retry_seconds:
            self.limit = f"COLLISIONS_SOURCE_RETRY_SECONDS={self.settings.source_retry_seconds}"
        elif time.monotonic() + state.upcoming_sleep >= self.deadline:
            self.limit = f"COLLISIONS_SOURCE_TOTAL_SECONDS={self.settings.source_total_seconds}"
        else:
            return False
        return True

    def _once(self, request: httpx.Request, take: Callable[[httpx.Response, Iterator[bytes]], T]) -> T:
        import httpx

        if time.monotonic() >= self.deadline:  # before the timer has come to it
            raise self._too_long()
        self.requests += 1
        try:
            response = self.http.send(request, stream=True)
            try:
                self._check(request, response)
                return take(response, self._body(response))
            finally:
                response.close()
        except Incomplete as error:
            raise _TryAgain(str(error)) from None
        except (httpx.TransportError, httpx.DecodingError, UnicodeError, csv.Error, RuntimeError) as error:
            raise self._meaning(error) from None

    def _meaning(self, error: Exception) -> Exception:
        """What the end of a connection, or of an answer, means."""
        import httpx

        if time.monotonic() >= self.deadline:
            return self._too_long()
        if isinstance(error, RuntimeError):  # httpx raises one once it is closed; before the deadline that is a bug
            return error
        if isinstance(error, UnicodeEncodeError) or type(error) is UnicodeError:  # of a name's encoding for the DNS
            return ConfigError(f"{self.url}: no host can have this name: {error}; check COLLISIONS_SOURCE_URL")
        if isinstance(error, httpx.ProxyError) and "407" in str(error):
            return ConfigError(f"the proxy refuses access to {self.url}: {error}; check HTTPS_PROXY")
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ConfigError(
                f"{self.url}: its certificate is not trusted: {error}; behind a proxy that intercepts TLS,"
                " SSL_CERT_FILE must name a bundle with its CA and every other CA that is needed"
            )
        return _TryAgain(f"{type(error).__name__}: {error}")

    def _body(self, response: httpx.Response) -> Iterator[bytes]:
        """The decoded body, as it comes; one that drips is as good as none."""
        start = window = time.monotonic()
        received = 0
        try:
            for block in response.iter_bytes():
                received += len(block)
                now = time.monotonic()
                if now > self.deadline:
                    raise self._too_long()
                if now - window > self.settings.source_timeout_seconds:
                    if received < SLOWEST:
                        raise Incomplete(f"only {received} bytes in {self.settings.source_timeout_seconds} s")
                    window, received = now, 0
                yield block
        finally:
            self.receiving += time.monotonic() - start

    def _too_long(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self.url}: the run has fetched for longer than COLLISIONS_SOURCE_TOTAL_SECONDS="
            f"{self.settings.source_total_seconds}; nothing of {self.id} was landed; run again later, or allow more"
        )

    def _without_token(self, text: str) -> str:
        """What the server says, in case it repeats the token."""
        return text.replace(self.settings.source_token, "…") if self.settings.source_token else text

    def _check(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raise what a status or a content type means."""
        status, kind = response.status_code, response.headers.get("content-type", "")
        if status == 200 and kind.startswith("text/csv"):
            return
        said = self._without_token(" ".join(_start(response).split()))[:SHOWN]
        if status == 200:
            raise Incomplete(f"the answer is {kind or 'of no stated type'}, not CSV: {said}")
        problem = f"HTTP {status} {response.reason_phrase}: {said}"
        if status in {202, 408, 425, 429} or status >= 500:
            raise _TryAgain(problem, _retry_after(response.headers.get("retry-after", "")))
        where = self.describe(request)
        if status in {401, 403}:
            raise ConfigError(
                f"{where}: {problem}; check COLLISIONS_SOURCE_TOKEN (an app token of {self.url}; leave it empty to ask"
                " without one)"
            )
        if status == 404:
            raise ConfigError(f"{where}: {problem}; check COLLISIONS_SOURCE_URL, and whether the dataset has moved")
        if status in range(300, 400):
            moved = self._without_token(response.headers.get("location", "?"))
            raise ConfigError(f"{where}: moved to {moved}; check COLLISIONS_SOURCE_URL")
        raise DataError(f"{where}: refused: {problem}; the API's columns or its language may have changed")

    def _say_why(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        log.warning("%s: %s; trying again in %.1f s", self.url, error, pause)


class Incomplete(Exception):
    """An answer that is not what was asked for, and may be at another try."""


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds before the next try: what the server asks for, or twice as much as before, at random."""
    import tenacity

    error = state.outcome.exception() if state.outcome else None
    ours = tenacity.wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE)(state)
    return max(ours, error.after) if isinstance(error, _TryAgain) else ours


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header, which is a number of them or a date; 0 where there is none."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _start(response: httpx.Response) -> str:
    """The first characters of an answer that is none."""
    start = b""
    for block in response.iter_bytes():
        start += block
        if len(start) >= SHOWN:
            break
    return start.decode(errors="replace")
