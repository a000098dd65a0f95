"""Is a store fit to be the lake? `python -m stages.lake.store.preflight`, with the settings of a stage.

The lake needs of S3: a conditional PUT that one of many concurrent writers wins, a listing that shows each write at
once, and ETags that stay as they are. Stores that claim S3 have let two writers win, and the loser's rows were gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from stages import logs
from stages.errors import ConfigError, PreconditionFailed, StageError
from stages.lake.store import ObjectStore, open_store
from stages.lake.store.s3 import S3Store
from stages.settings import Settings

PREFIX = "_preflight/"
WRITERS = 32  # at once, of one key
ROUNDS = 4  # a race that is lost now and then


def check(store: ObjectStore, writers: int = WRITERS, rounds: int = ROUNDS) -> None:
    """Try the store, below a prefix of its own that is empty again at the end.

    Raises ConfigError naming everything that the lake cannot rely on; any other StageError as the store raises it.
    """
    prefix = f"{PREFIX}{uuid4().hex}/"
    problems: list[str] = []
    try:
        for number in range(rounds):
            problems += _race(store, f"{prefix}{number}", writers)
        problems += _listing(store, f"{prefix}list/")
        problems += _etags(store, f"{prefix}etag")
    finally:
        for info in store.list(prefix):
            store.delete(info.key)
    if problems:
        raise ConfigError(
            f"{name_of(store)} cannot hold the lake: {'; '.join(dict.fromkeys(problems))}. Use another store, or a"
            " release of this one that keeps S3's promises for conditional writes"
        )


def _race(store: ObjectStore, key: str, writers: int) -> list[str]:
    """Writers of one key at the same time: where there is none yet, then over one version."""
    problems = []
    for condition in ("If-None-Match", "If-Match"):
        info = store.head(key)
        expect = info.etag if info else None
        start = Barrier(writers)

        def put(number: int, expect: str | None = expect, start: Barrier = start, condition: str = condition) -> bytes:
            content = f"{condition} {number}".encode()
            start.wait()
            try:
                store.put(key, content, expect=expect)
            except PreconditionFailed:
                return b""
            return content

        with ThreadPoolExecutor(writers) as pool:
            winners = [content for content in pool.map(put, range(writers)) if content]
        if len(winners) != 1:
            problems.append(f"of {writers} concurrent PUTs of one key with {condition}, {len(winners)} succeeded")
        elif store.read(key) != winners[0]:
            problems.append(f"a PUT with {condition} that succeeded is not what the object holds")
    return problems


def _listing(store: ObjectStore, prefix: str) -> list[str]:
    """A listing shows what was just written, and no longer what was just deleted."""
    keys = [f"{prefix}{number}" for number in range(20)]
    for number, key in enumerate(keys):
        store.put(key, b"x")
        if [info.key for info in store.list(prefix)] != sorted(keys[: number + 1]):
            return ["a listing does not show an object that was just written"]
    for number, key in enumerate(keys):
        store.delete(key)
        if [info.key for info in store.list(prefix)] != sorted(keys[number + 1 :]):
            return ["a listing shows an object that was just deleted"]
    return []


def _etags(store: ObjectStore, key: str) -> list[str]:
    """An object's ETag is the same by PUT, HEAD and listing, and another one with another content."""
    first = store.put(key, b"one")
    seen = {first} | {info.etag for info in (store.head(key), *store.list(key)) if info}
    problems = [] if len(seen) == 1 else ["an object's ETag differs between PUT, HEAD and listing"]
    if store.put(key, b"two") == first:
        problems.append("the ETag stays the same when the content changes")
    return problems


def name_of(store: ObjectStore) -> str:
    """The store's address, and what it calls itself where it does."""
    if not isinstance(store, S3Store):
        return store.describe("")
    scheme = "https" if store.secure else "http"
    software = store.http.request("HEAD", f"{scheme}://{store.server}/", retries=False).headers.get("server", "")
    return f"{store.describe('')} at {store.server}{f' ({software})' if software else ''}"


def main(environment: Mapping[str, str], opened: Callable[[Settings], ObjectStore] = open_store) -> int:
    """Check the store that the environment names, and exit as the stages do."""
    logs.set_up()
    try:
        store = opened(Settings.from_environment(environment))
        check(store)
        logs.log.info("%s: fit for the lake", name_of(store))
    except StageError as error:
        logs.log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
