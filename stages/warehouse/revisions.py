"""What the city revised: meta_revisions, from the versions of records that the clean layer has kept."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from stages.datasets.dataset import Dataset
from stages.warehouse.build import Curated, Versions, quoted, show_files


def record_revisions(
    warehouse: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    versions: Versions,
    newest: Callable[[set[int]], Curated],
    only: str = "",
) -> None:
    """Add the revisions of all records to meta_revisions, or replace those of the records whose keys are in the table
    `only`; `newest` gives the clean rows of months (YYYYMM).

    The history of a month does not tell of a record that reads the same in all of the month's files. Where there is
    more to tell of it in another month, this month's version comes from its clean row, which says where the month first
    had the record.
    """
    first, key = versions.first, versions.key
    these = f"semi join {only} using ({key})" if only else ""
    if only:
        warehouse.execute(
            f"delete from meta_revisions where dataset = ? and key in (select {key}::varchar from {only})",
            [dataset.name],
        )
    warehouse.execute(f"""
        create or replace temp table untold as
        select {key}, month
        from records_{first}
        semi join (select {key} from told_{first} union all select {key} from superseded_{first}) using ({key})
        {these}
        anti join told_{first} using ({key}, month)
    """)
    months = {month for (month,) in warehouse.execute("select distinct month from untold").fetchall()}
    show_files(warehouse, "clean_rows", newest(months))
    fields = [column.name for column in dataset.kept_columns if column.name != key]
    names = ", ".join(f"'{quoted(name)}'" for name in fields)
    values = ", ".join(f"{name}::varchar" for name in fields)
    warehouse.execute(
        f"""
        insert into meta_revisions
        with plain as (
            select rows.*
            from clean_rows as rows
            semi join untold on rows.{key} = untold.{key} and {versions.month} = untold.month
        ),
        shown as (
            select {key}, {versions.date} as date, extracted_at, source, source_line, is_new, [{values}] as now
            from history_{first}
            {these}
            union all
            select {key}, {versions.date}, extracted_at, source, source_line, false, [{values}]
            from plain
            union all
            select {key}, {versions.date}, first_extracted_at, first_source, 0, false, [{values}]
            from plain
            where first_source <> source
        ),
        of_files as (
            select *
            from shown
            window of_file as (partition by {key}, extracted_at, source order by source_line desc, date desc)
            qualify row_number() over of_file = 1
        ),
        compared as (
            select *, lag(now) over (partition by {key} order by extracted_at, source) as before
            from of_files
        ),
        changes as (
            select {key}, unnest([{names}]) as field, unnest(before) as old, unnest(now) as new, extracted_at, source
            from compared
            where before is not null
            union all
            select {key}, '{quoted(key)}', null, {key}::varchar, extracted_at, source
            from compared
            where before is null and is_new
        )
        select ?, {key}::varchar, field, old, new, make_timestamp(epoch_us(extracted_at)), source
        from changes
        where old is distinct from new
        """,
        [dataset.name],
    )
    warehouse.execute("drop table untold; drop view clean_rows")
