"""The preflight of a store: a sound one passes and is left as it was; one that breaks a promise is refused by name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from lake import Lake
from s3_server import S3Server, find_server

from stages.errors import ConfigError
from stages.lake.store import ANY, ObjectInfo
from stages.lake.store.folder import FolderStore
from stages.lake.store.preflight import check, main, name_of


def test_a_sound_store_passes_and_is_left_empty(lake: Lake) -> None:
    check(lake.store)
    assert lake.store.list("") == []


@pytest.mark.skipif(find_server() is None, reason="there is no S3 server here")
def test_a_server_is_named_as_it_calls_itself(s3_server: S3Server) -> None:
    assert s3_server.endpoint in name_of(s3_server.lake().store)


class Racing(FolderStore):
    """A store that looks, then writes: two writers who looked at the same time both win."""

    def __init__(self, root: Path, condition: str) -> None:
        super().__init__(root)
        self.condition, self.looked = condition, threading.Barrier(2)

    def put(
        self, key: str, data: bytes | Path, *, metadata: Mapping[str, str] | None = None, expect: str | None = ANY
    ) -> str:
        races = expect != ANY and self.condition == ("If-None-Match" if expect is None else "If-Match")
        if not races:
            return super().put(key, data, metadata=metadata, expect=expect)
        self.looked.wait()
        return super().put(key, data)


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_a_store_on_which_two_writers_win_is_refused_with_its_name(tmp_path: Path, condition: str) -> None:
    message = f"{tmp_path}.* cannot hold the lake: of 2 concurrent PUTs of one key with {condition}, 2 succeeded"
    with pytest.raises(ConfigError, match=message):
        check(Racing(tmp_path, condition), writers=2, rounds=1)


class Forgetful(FolderStore):
    """A store whose listing lags behind: the newest object is not in it yet."""

    def list(self, prefix: str) -> list[ObjectInfo]:
        return super().list(prefix)[:-1]


def test_a_store_whose_listing_lags_behind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a listing does not show an object that was just written"):
        check(Forgetful(tmp_path), writers=2, rounds=1)


class Restless(FolderStore):
    """A store that gives an object another ETag each time it is asked."""

    def head(self, key: str) -> ObjectInfo | None:
        info = super().head(key)
        return info and replace(info, etag=info.etag + "x")


def test_a_store_whose_etags_do_not_last_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ETag differs between PUT, HEAD and listing"):
        check(Restless(tmp_path), writers=2, rounds=0)


def test_it_ends_like_a_stage(tmp_path: Path) -> None:
    settings = {"COLLISIONS_LAKE": str(tmp_path / "lake")}
    assert main(settings) == 0
    assert main(settings, lambda _: Forgetful(tmp_path)) == ConfigError.exit_code
    assert main({}) == ConfigError.exit_code
