"""A local server in place of the city's API, for scripts/demo --source: tests/socrata, as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings

FAULTS = ("--fault", "status@probe", "--fault", "cut@export")
ON_PURPOSE = "its first answer is an error and its first export breaks off, on purpose: both are asked for again"


@contextmanager
def serving(settings: Settings) -> Iterator[dict[str, str]]:
    """Serve a generated sample meanwhile; gives the settings by which stages fetch from it, and from nothing else.

    Raises OpsError where it does not start.
    """
    log = settings.state / "source.log"
    paths = (settings.root, settings.scripts, settings.root / "tests")
    with (
        log.open("wb") as output,
        subprocess.Popen(  # in a session of its own: it must outlive the stage that Ctrl-C ends
            [settings.venv / "bin" / "python", "-P", "-m", "socrata", *FAULTS],
            env={**settings.environ, "PYTHONPATH": ":".join(map(str, paths))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            address = process.stdout.readline().decode().strip()  # once it listens
            if not address:
                raise OpsError(f"the source's server did not start; see {log}")
            yield {
                "COLLISIONS_SOURCE": "socrata",
                "COLLISIONS_SOURCE_URL": address,
                "COLLISIONS_SOURCE_TOKEN": "",  # it is the city's to see
                "COLLISIONS_SOURCE_API": "",
                "no_proxy": "127.0.0.1",
            }
        finally:
            process.terminate()
