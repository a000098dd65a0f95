"""The records that runs keep in the lake as JSON: a damaged one is named, with what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stages.errors import DataError
from stages.lake.store import ObjectStore


@contextmanager
def sound(store: ObjectStore, key: str, then: str) -> Iterator[None]:
    """Raise DataError if reading a record fails because it is damaged, as after a power cut. The message says to remove
    it; `then` says what follows.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{store.describe(key)}: damaged, or not a record of this pipeline ({type(error).__name__}: {error});"
            f" remove it: {then}"
        ) from None
