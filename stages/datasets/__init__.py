"""The registry of datasets: one folder each, found by being there. Drivers know a dataset by its entry alone."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.datasets.dataset import Dataset


def names() -> list[str]:
    """The datasets' names, without reading any of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


@cache
def registry() -> tuple[Dataset, ...]:
    """Every dataset."""
    return tuple(importlib.import_module(f"{__name__}.{name}").DATASET for name in names())
