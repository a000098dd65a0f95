"""The curated layer as the warehouse reads it: listed once, fetched as far as it is needed."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from stages.datasets.dataset import Dataset
from stages.errors import ContractError, StageError
from stages.lake import keys
from stages.lake.parquet import made_by
from stages.lake.scope import spans, whole_months
from stages.lake.store import ObjectInfo, ObjectStore
from stages.logs import counted, progress
from stages.parallel import parallel
from stages.warehouse.build import Curated, Versions

Listed = dict[str, list[ObjectInfo]]  # a dataset's curated objects, by table


def list_curated(store: ObjectStore, dataset: Dataset) -> Listed:
    """A dataset's curated objects, by table."""
    return {table.name: store.list(keys.layer("curated", table.name)) for table in dataset.tables}


def list_clean(store: ObjectStore, dataset: Dataset) -> Listed:
    """A dataset's clean objects, by table."""
    return {table: store.list(keys.layer("clean", table)) for table in (dataset.name, dataset.history)}


def etags(tables: Listed) -> dict[str, str]:
    """Key → ETag of objects by table."""
    return {info.key: info.etag for infos in tables.values() for info in infos}


def month_number(key: str) -> int:
    """The month of a partition's key as YYYYMM; raises StageError where the key is not a partition's."""
    month = keys.month_of(key)
    if month is None:
        raise StageError(f"{key} is not the key of a month's partition")
    return int(month.replace("-", ""))


@dataclass
class CuratedLayer:
    """What the curated layer holds of each dataset, and the clean one, which knows earlier versions. A fetched file is
    kept until the stack is closed.
    """

    store: ObjectStore
    listed: dict[Dataset, Listed]
    stack: ExitStack
    fetched: dict[ObjectInfo, Path] = field(default_factory=dict)

    @cached_property
    def clean(self) -> dict[Dataset, Listed]:
        """What the clean layer holds of each dataset."""
        return {dataset: list_clean(self.store, dataset) for dataset in self.listed}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Key → bytes of every object."""
        return {info.key: info.size for tables in self.listed.values() for infos in tables.values() for info in infos}

    @cached_property
    def etags(self) -> dict[str, str]:
        """Key → ETag of every object of both layers."""
        listed = (*self.listed.values(), *self.clean.values())
        return {key: etag for tables in listed for key, etag in etags(tables).items()}

    def share(self, months: Collection[int]) -> float:
        """The share of these months (YYYYMM) in the layer's bytes."""
        of_months = sum(size for key, size in self.sizes.items() if month_number(key) in months)
        return of_months / max(1, sum(self.sizes.values()))

    def versions(
        self, dataset: Dataset, months: Collection[int] | None = None, only: Collection[str] | None = None
    ) -> Versions:
        """A dataset's tables, and its history, with the local files of these months (YYYYMM), or of all. With `only`,
        those of its tables that are not named get no files, and there is no history.

        Raises ContractError where a file was made by older rules.
        """
        files = []
        for table in dataset.tables:
            infos = [
                info
                for info in self.listed[dataset][table.name]
                if (only is None or table.name in only) and (months is None or month_number(info.key) in months)
            ]
            self._fetch(infos, table.name)
            files.append(Curated(table.name, table.schema, [self.fetched[info] for info in infos]))
        history = self._clean(dataset, dataset.history, dataset.history_schema, months) if only is None else None
        self._check_current(dataset)
        return Versions(dataset.key, dataset.date, files, history)

    def newest(self, dataset: Dataset, months: Collection[int]) -> Curated:
        """The clean rows of a dataset in these months (YYYYMM): each month's newest version of a record."""
        rows = self._clean(dataset, dataset.name, dataset.schema, months)
        self._check_current(dataset)
        return rows

    def _clean(self, dataset: Dataset, table: str, schema: pa.Schema, months: Collection[int] | None) -> Curated:
        infos = [info for info in self.clean[dataset][table] if months is None or month_number(info.key) in months]
        self._fetch(infos, table)
        return Curated(table, schema, [self.fetched[info] for info in infos])

    def _fetch(self, infos: list[ObjectInfo], table: str) -> None:
        missing = [info for info in infos if info not in self.fetched]

        def local(info: ObjectInfo) -> Path:
            return self.stack.enter_context(self.store.local(info.key))  # type: ignore[no-any-return]

        paths = progress(parallel(local, missing), len(missing), f"fetch {table}", "file")
        self.fetched.update(zip(missing, paths, strict=True))

    def _check_current(self, dataset: Dataset) -> None:
        """Raise ContractError where fetched partitions were made by older rules: they lie outside this run."""
        tables = (*self.listed[dataset].values(), *self.clean[dataset].values())
        infos = {info for of_table in tables for info in of_table} & self.fetched.keys()
        stale = {keys.month_of(info.key) or "" for info in infos if made_by(self.fetched[info]) != dataset.made_by}
        if stale:
            scope = whole_months(list(stale))
            raise ContractError(
                f"model_analytics: {counted(len(stale), 'month')} of {dataset.name}, {spans(stale)},"
                f" made by another version of the code, {'is' if len(stale) == 1 else 'are'} outside this run; nothing"
                " is published. A run with"
                f" --start={scope.start} --end={scope.end} (params start and end) remakes"
                f" {'it' if len(stale) == 1 else 'them'}, and so does one without dates"
            )
