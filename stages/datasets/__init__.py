"""The registry of datasets: one folder each, found by its presence. The stages know a dataset only by its entry."""

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
