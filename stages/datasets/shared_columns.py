"""Curated columns that several datasets have; without pandas, because not every stage needs it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from stages.datasets.dataset import Column
from stages.datasets.menus import Menu


def published_in_capitals(name: str) -> dict[str, str]:
    """The headers of a column that the portal names in capitals and the API in small letters."""
    return {"portal": name, "API": name.lower()}


def named_columns(name: str, doc: str, menu: Menu) -> tuple[Column, Column]:
    """The curated columns of a value that is on a menu: as published, and under its standard name."""
    return (
        Column(f"{name}_raw", pa.string(), f"{doc}, as published"),
        Column(name, pa.string(), f"standard name of the {doc}", menu=menu),
    )


def key_column(name: str, columns: Sequence[str]) -> Column:
    """The key of a dimension that has these published values together."""
    told = ", ".join(f"`{column}_raw`" for column in columns)
    return Column(name, pa.int64(), f"key of the published values of {told} together; 0 where none is stated")


def factor_columns(number: int) -> tuple[Column, ...]:
    """The curated columns of a contributing factor."""
    return (
        Column(f"factor_{number}_key", pa.int64(), "key of the published spelling; 0 where none is stated"),
        Column(f"factor_{number}_raw", pa.string(), f"contributing factor {number}, as published"),
        Column(f"factor_{number}", pa.string(), f"standard name of contributing factor {number}"),
        Column(f"factor_{number}_group", pa.string(), f"group of contributing factor {number}"),
    )
