"""Brings the published warehouse up to date by rebuilding only the months whose curated partitions have changed.

What it takes is in the published file itself, in the schema `kept`: the partitions and the code that it was built from,
the months of every record's versions, which of these are superseded, and the models of the kind `monthly`.

A fact with a `date_key` that reads the curated tables of one dataset, itself or through staging models, is kept by
month, as are monthly models: the rows of a month must follow from the rows of that month. Models with a file in
models/steps say there what else it takes. All other models are built again from everything that they read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import duckdb

from stages.datasets.dataset import Dataset
from stages.errors import StageError
from stages.warehouse.build import Versions, build, execute, show_curated, show_newest, superseded
from stages.warehouse.models import KEPT, Check, Model

MOST_CHANGED = 0.3  # of the curated layer's bytes: beyond that, building whole is as fast
MOST_GROWTH = 1.5  # of the file's size since it was last built whole: months that are replaced leave holes
SMALL_FILE = 64 * 2**20  # bytes; up to that a file may grow as it likes
_CURATED = re.compile(r"(curated|newest|superseded)_(\w+)")


class BuildWhole(Exception):
    """Why the published warehouse cannot be brought up to date by months."""


def fingerprint(models: Iterable[Model], datasets: Iterable[Dataset]) -> str:
    """What a warehouse depends on apart from curated partitions: code, SQL, datasets and DuckDB's version."""
    code = [path.read_text() for path in sorted(Path(__file__).parent.glob("*.py"))]
    sql = [text for model in models for text in (model.name, model.sql, model.step)]
    made = [" ".join((it.name, it.made_by, it.key, it.date, *(table.name for table in it.tables))) for it in datasets]
    return sha256("\0".join((duckdb.__version__, *code, *sql, *made)).encode()).hexdigest()


# --- what the published warehouse was built from --------------------------------------------------------


def record_origin(warehouse: duckdb.DuckDBPyConnection, made_by: str, partitions: Mapping[str, str]) -> None:
    """Note in the warehouse what it is built from: a fingerprint, and the ETags of curated partitions by key."""
    warehouse.execute(f"create or replace table {KEPT}.partitions (key varchar, etag varchar)")
    warehouse.execute(
        f"insert into {KEPT}.partitions select unnest(?), unnest(?)", [list(partitions), list(partitions.values())]
    )
    warehouse.execute(f"create table if not exists {KEPT}.origin (made_by varchar, bytes bigint)")
    warehouse.execute(f"insert into {KEPT}.origin select ?, null where not exists (from {KEPT}.origin)", [made_by])


def record_size(warehouse: duckdb.DuckDBPyConnection, size: int) -> bool:
    """Note the size in bytes of a file that was built whole, for later builds to compare theirs with; returns whether
    it was.
    """
    found = warehouse.execute(f"update {KEPT}.origin set bytes = ? where bytes is null returning bytes", [size])
    return bool(found.fetchall())


def changed_partitions(
    warehouse: duckdb.DuckDBPyConnection, made_by: str, partitions: Mapping[str, str], size: int
) -> set[str]:
    """Keys of the curated partitions that have come, gone or changed since this warehouse of `size` bytes was built.

    Raises BuildWhole where it was built by other code, or has grown too much since it was last built whole.
    """
    try:
        origin = warehouse.execute(f"from {KEPT}.origin").fetchall()
        built_from = dict(warehouse.execute(f"from {KEPT}.partitions").fetchall())
    except duckdb.CatalogException:
        raise BuildWhole("the published warehouse does not say what it was built from") from None
    if [made for made, _ in origin] != [made_by]:
        raise BuildWhole("the published warehouse was built by another version of the code")
    if size > max(SMALL_FILE, MOST_GROWTH * origin[0][1]):
        raise BuildWhole(f"the published warehouse has grown to {size / origin[0][1]:.1f} times its size")
    return {key for key, _ in built_from.items() ^ partitions.items()}


# --- which records and months -------------------------------------------------------------------------


def months_of_versions(warehouse: duckdb.DuckDBPyConnection, dataset: Versions, changed: Iterable[int]) -> set[int]:
    """The months that hold a version of a record which the changed months (YYYYMM) have or had.

    `dataset` has the files of the changed months. Makes `touched_<first table>`, the keys of these records.
    """
    first, key = dataset.first, dataset.key
    show_curated(warehouse, dataset)
    warehouse.execute(f"""
        create temp table touched_{first} as
        select {key} from curated_{first}
        union
        select {key} from history_{first}
        union
        select {key} from records_{first} where month in ({_listed(changed)})
        union
        select {key} from told_{first} where month in ({_listed(changed)})
    """)
    found = warehouse.execute(
        f"select month from records_{first} semi join touched_{first} using ({key})"
        f" union select month from told_{first} semi join touched_{first} using ({key})"
    )
    return {month for (month,) in found.fetchall()}


def read_changed(
    warehouse: duckdb.DuckDBPyConnection, name: str, dataset: Versions, changed: Iterable[int], rebuilt: Iterable[int]
) -> None:
    """Bring up to date which versions there are and which are superseded, and make `curated_<table>`, `newest_<table>`
    and `history_<first table>` of the months to be rebuilt, whose files `dataset` has.

    A record that the changed months neither have nor had keeps its versions; those of the others are all among the rows
    of the months to be rebuilt.
    """
    first, key = dataset.first, dataset.key
    show_curated(warehouse, dataset)
    warehouse.execute(f"""
        delete from records_{first} where month in ({_listed(changed)});
        insert into records_{first}
        select {key}, {dataset.month} as month from curated_{first} where {dataset.month} in ({_listed(changed)});
        delete from told_{first} where month in ({_listed(changed)});
        insert into told_{first}
        select distinct {key}, {dataset.month} as month from history_{first}
        where {dataset.month} in ({_listed(changed)});
        create temp view versions_{first} as from curated_{first} semi join touched_{first} using ({key});
        delete from superseded_{first} where {key} in (from touched_{first});
        insert into superseded_{first} {superseded(dataset, f"versions_{first}")};
        drop view versions_{first};
    """)
    show_newest(warehouse, dataset)
    months = ", ".join(f"'{month // 100}-{month % 100:02}'" for month in rebuilt)
    warehouse.execute(f"delete from meta_contents where dataset = ? and month in ({months or 'null'})", [name])


def _listed(months: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(months))) or "null"


# --- which models -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Steps:
    """The models of a warehouse without the meta tables, as a build by steps sees them.

    `tables` has the curated tables' names, each with that of its dataset.
    """

    models: Sequence[Model]
    checks: Sequence[Check]
    tables: Mapping[str, str]

    @cached_property
    def by_name(self) -> dict[str, Model]:
        """The models by name."""
        return {model.name: model for model in self.models}

    def origins(self, names: Iterable[str]) -> set[str]:
        """The relations that remain of these when staging models are replaced by what they read."""
        found = set()
        for name in names:
            model = self.by_name.get(name)
            found |= self.origins(model.refers_to) if model and model.kind == "staging" else {name}
        return found

    def staging(self, names: Iterable[str]) -> set[str]:
        """The staging models among these, and those that they read."""
        found = {name for name in names if name in self.by_name and self.by_name[name].kind == "staging"}
        return found.union(*(self.staging(self.by_name[name].refers_to) for name in found))

    @cached_property
    def monthly(self) -> list[Model]:
        """The models that are kept by month; raises StageError where one of kind `monthly` cannot be."""
        found = []
        for model in self.models:
            if model.kind not in {"monthly", "facts"} or model.whole:
                continue
            owners = {self._owner(name) for name in self.origins(model.refers_to)}
            if len(owners) == 1 and None not in owners and (model.kind == "monthly" or "date_key" in model.columns):
                found.append(model)
            elif model.kind == "monthly":
                raise StageError(f"{model.path}: a monthly model reads the curated tables of one dataset, nothing else")
        return found

    def _owner(self, relation: str) -> str | None:
        found = _CURATED.fullmatch(relation)
        return self.tables.get(found[2]) if found else None

    @cached_property
    def others(self) -> list[Model]:
        """The tables that are built again from everything that they read."""
        apart = {model.name for model in self.monthly}
        return [
            model
            for model in self.models
            if model.kind in {"facts", "dims"} and model.name not in apart and not model.step
        ]

    @cached_property
    def read_whole(self) -> set[str]:
        """The curated tables of which `others` and the checks need every partition."""
        readers: list[Model | Check] = [*self.others, *self.checks]
        origins = self.origins(name for reader in readers for name in reader.refers_to)
        found = (_CURATED.fullmatch(name) for name in origins)
        return {match[2] for match in found if match and match[1] != "superseded" and match[2] in self.tables}

    def rebuild_months(self, warehouse: duckdb.DuckDBPyConnection, months: Iterable[int]) -> None:
        """Replace the rows of these months (YYYYMM), where `curated_<table>` and `newest_<table>` have only them."""
        warehouse.execute("create temp table rebuilt_months (month integer)")
        warehouse.execute("insert into rebuilt_months select unnest(?)", [sorted(months)])
        monthly = {model.name for model in self.monthly}
        kept = [model for model in self.models if model.name in monthly or (model.step and model.kind != "staging")]
        needed = self.staging(name for model in kept for name in model.refers_to)
        for model in self.models:
            if model.name in needed:
                execute(warehouse, model.step or model.sql, model.path)
            elif model in kept:
                if model.step:
                    execute(warehouse, model.step, model.path)
                if model.name in monthly:
                    month = "month" if model.kind == "monthly" else "date_key // 100"
                    warehouse.execute(f"delete from {model.name} where {month} in (from rebuilt_months)")
                execute(warehouse, _insertion(model), model.path)
        for name in needed:
            drop(warehouse, name)

    def show_whole(self, warehouse: duckdb.DuckDBPyConnection, dataset: Versions) -> None:
        """Make `curated_<table>` and `newest_<table>` of all months, for the tables that are read whole; for the others
        there are none.
        """
        show_curated(warehouse, dataset)
        show_newest(warehouse, dataset)
        for table in dataset.tables:
            if table.name not in self.read_whole:
                drop(warehouse, f"newest_{table.name}")
                drop(warehouse, f"curated_{table.name}")

    def rebuild_others(self, warehouse: duckdb.DuckDBPyConnection) -> None:
        """Build the other tables again, and the staging models that they and the checks read."""
        readers: list[Model | Check] = [*self.others, *self.checks]
        needed = self.staging(name for reader in readers for name in reader.refers_to)
        for model in self.others:
            drop(warehouse, model.name)
        others = {model.name for model in self.others}
        build(warehouse, [model for model in self.models if model.name in needed | others])


def _insertion(model: Model) -> str:
    creates = rf'create table "?{model.name}"? as\b'
    sql, found = re.subn(creates, f"insert into {model.name}", model.sql, count=1, flags=re.IGNORECASE)
    if not found:
        raise StageError(f"{model.path}: a table that is kept by month is made by: create table {model.name} as")
    return sql


def drop(warehouse: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a table or view, if it is there."""
    for (kind,) in warehouse.execute(
        "select 'view' from duckdb_views() where view_name = ? and not internal"
        " union all select 'table' from duckdb_tables() where table_name = ?",
        [name, name],
    ).fetchall():
        warehouse.execute(f"drop {kind} {name}")
