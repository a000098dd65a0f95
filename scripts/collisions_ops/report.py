"""scripts/report: the page published with the warehouse, in the embedded runtime's lake or the cluster's."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path

from collisions_ops.cluster import Cluster, lake_environment
from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings
from stages.errors import ObjectMissing, StageError
from stages.lake import keys
from stages.lake.store import open_store
from stages.settings import Settings as StageSettings


def embedded(settings: Settings) -> str:
    """The address of the page in the lake that COLLISIONS_LAKE names; without it, in that of the last demo."""
    return _address(settings, lake_environment(settings, None))


def on_cluster(cluster: Cluster) -> str:
    """The address of a copy of the page in the cluster's lake."""
    return _address(cluster.settings, lake_environment(cluster.settings, cluster))


def show(console: Console, address: str, *, opened: bool, browser: Callable[[str], bool] = webbrowser.open) -> None:
    """Print the address, and open it where a person sits in front of the terminal and wants it."""
    console.print(address)
    if opened and console.interactive:
        browser(address)


def _address(settings: Settings, environ: Mapping[str, str]) -> str:
    """A file's address; raises OpsError where nothing is published.

    A lake in a folder has the file itself; from a bucket it is copied to the state folder.
    """
    try:
        lake = StageSettings.from_environment(environ)
        store = open_store(lake)
        if not lake.lake.startswith("s3://"):
            if store.head(keys.REPORT) is None:
                raise ObjectMissing(store.describe(keys.REPORT))
            return (Path(lake.lake) / keys.REPORT).absolute().as_uri()
        copy = settings.state / keys.REPORT
        content = store.read(keys.REPORT)
    except ObjectMissing as error:
        raise OpsError(f"{error}: no report is published yet; run the pipeline first") from None
    except StageError as error:
        raise OpsError(str(error)) from None
    copy.parent.mkdir(parents=True, exist_ok=True)
    part = copy.with_name(f".{copy.name}.part")
    part.write_bytes(content)
    part.replace(copy)
    return copy.absolute().as_uri()
