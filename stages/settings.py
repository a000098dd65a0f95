"""Settings: read from the environment, once, and checked whole."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stages.errors import ConfigError

PREFIX = "COLLISIONS_"
ORCHESTRATOR_ONLY = {
    "RUNTIME",
    "STAGE_IMAGE",
    "FAN_OUT",
    "RUN_LOG",
}  # read by the DAG and its operators; known here so that they are not taken for typos


# Types whose names say how a setting is read (PARSERS).
Source = str
Address = str
Token = str
LineageTarget = str
Api = str
PageRows = int
Days = int
AtLeastADay = int


@dataclass(frozen=True)
class Settings:
    """What the environment says; see the table in README.md."""

    lake: str
    s3_endpoint: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = field(default="", repr=False)
    s3_secure: bool = True
    s3_region: str = "us-east-1"
    s3_timeout_seconds: int = 60
    max_quarantine_ratio: float = 0.05
    max_unknown_ratio: float = 0.05
    max_shrink_ratio: float = 0.05
    source: Source = ""
    source_url: Address = "https://data.cityofnewyork.us"
    source_api: Api = "soda2"
    source_token: Token = field(default="", repr=False)
    source_timeout_seconds: int = 60
    source_retry_seconds: int = 300
    source_total_seconds: int = 3000
    source_page_rows: PageRows = 50_000
    lookback_days: Days = 7
    full_refresh_days: Days = 30
    stale_days: Days = 14
    keep_runs_days: AtLeastADay = 90
    chunk_mib: int = 128
    lineage: LineageTarget = ""
    result: str = ""
    image: str = ""
    code_version: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read every COLLISIONS_* variable; raises ConfigError naming each that is unknown, missing or malformed."""
        given = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
        problems = [
            f"{PREFIX}{name}: no such setting"
            for name in sorted(given)
            if name not in {field.upper() for field in cls.__dataclass_fields__} | ORCHESTRATOR_ONLY
        ]
        values: dict[str, object] = {}
        for name, declared in cls.__dataclass_fields__.items():
            text = given.get(name.upper(), "").strip()
            if not text:
                continue
            try:
                values[name] = PARSERS[str(declared.type)](text)
            except ValueError as error:
                in_address = declared.type in {"Address", "LineageTarget"} and re.search("[@?]", text)
                shown = "" if "secret" in name or "token" in name or in_address else f" {text!r}"
                problems.append(f"{PREFIX}{name.upper()}{shown}: {error}")
        lake = str(values.get("lake", ""))
        if not lake:
            problems.append(f"{PREFIX}LAKE: not set; give a folder, or s3://bucket/prefix")
        elif lake.startswith("s3://"):
            problems += [
                f"{PREFIX}{name.upper()}: not set; a lake in S3 needs it"
                for name in ("s3_endpoint", "s3_access_key", "s3_secret_key")
                if name not in values
            ]
        elif "://" in lake:
            problems.append(f"{PREFIX}LAKE {lake!r}: neither a folder nor s3://bucket/prefix")
        if problems:
            raise ConfigError("settings: " + "; ".join(problems))
        return cls(**values)  # type: ignore[arg-type]


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number from 0 to 1") from None
    if not 0 <= value <= 1:
        raise ValueError("must be a number from 0 to 1")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return text

    return parse


ADDRESS = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")


def _address(text: str) -> str:
    if not ADDRESS.fullmatch(text):
        raise ValueError("must be the address of a server, such as http://127.0.0.1:5000")
    return text


def _lineage(text: str) -> str:
    if text != "file" and not ADDRESS.fullmatch(text):
        raise ValueError("must be file, or the address of a server, such as http://127.0.0.1:5000")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be printable ASCII characters without spaces or line breaks")
    return text


PARSERS: dict[str, Callable[[str], object]] = {
    "str": str,
    "bool": _boolean,
    "float": _ratio,
    "int": _whole(1, 3600),  # seconds
    "Days": _whole(0, 3650),
    "AtLeastADay": _whole(1, 36500),
    "PageRows": _whole(1, 50_000),  # the API's own limit
    "Address": _address,
    "Token": _token,
    "LineageTarget": _lineage,
    "Source": _one_of("socrata"),
    "Api": _one_of("soda2", "soda3"),
}
