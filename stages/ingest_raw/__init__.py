"""landing → raw: every landed row as text, split by the month of its crash, with where it came from.

A raw partition is a function of one landed file and one month. What is already as the landed file has it is left
alone, so that a daily run reads new files only. Rows that belong to no month (no readable crash date) or are no rows
at all go to quarantine.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets import crashes
from stages.ingest_raw.csv_source import BLOCK_BYTES, Block, Header, Reject, Rows, read_blocks, read_header, read_rows
from stages.shared import layers
from stages.shared.errors import DataError, SourceError
from stages.shared.layers import Scope
from stages.shared.logs import log, progress
from stages.shared.manifest import Job, Ledger, Output
from stages.shared.object_store import ObjectInfo
from stages.shared.parallel import parallel
from stages.shared.sources import Source, load_sources, same_file, save_sources
from stages.shared.tables import grouped, to_parquet


def months_of(dates: pa.ChunkedArray) -> np.ndarray:
    """Text dates → the month as layers.month_code has it, or -1 where the date cannot be read."""
    encoded = pc.dictionary_encode(dates.combine_chunks())
    parsed = [crashes.parse_date(text) for text in encoded.dictionary.to_pylist()]
    codes = np.array([layers.month_code(day.isoformat()[:7]) if day else -1 for day in parsed] + [-1], dtype=np.int32)
    months: np.ndarray = codes[pc.fill_null(encoded.indices, len(parsed)).to_numpy(zero_copy_only=False)]
    return months


def split_by_month(rows: Rows, date_column: str) -> tuple[dict[str, pa.Table], list[Reject]]:
    """Rows of a block → a table for each month, in the file's order, and the rows without a readable date."""
    table = rows.table.append_column("_line", pa.array(rows.lines, pa.int32()))
    months: dict[str, pa.Table] = {}
    rejects: list[Reject] = []
    for code, part in grouped(table, months_of(table[date_column])):
        if code >= 0:
            months[layers.month_name(code)] = part
            continue
        for record in part.to_pylist():
            line = record.pop("_line")
            reason = "crash_date_unreadable" if record[date_column] else "crash_date_missing"
            rejects.append(Reject(line, reason, json.dumps(record, ensure_ascii=False)))
    return months, rejects


def read_source(job: Job, source: Source) -> tuple[dict[str, list[pa.Table]], list[Reject]]:
    """Read a landed file whole: tables of the months in scope, and rejects; fills in what `source` counts."""
    months: dict[str, list[pa.Table]] = defaultdict(list)
    rejects: list[Reject] = []
    counts: dict[str, int] = defaultdict(int)
    with job.store.local(source.key) as path:
        with path.open("rb") as content:
            header = read_header(source.key, content)
        date_column = next(name for name, ours in crashes.FORMS[header.form].items() if ours == "crash_date")

        def read(block: Block) -> tuple[dict[str, pa.Table], list[Reject]]:
            rows = read_rows(source.key, header, block)
            split, undated = split_by_month(rows, date_column)
            return split, rows.rejects + undated

        blocks = progress(read_blocks(path, header), source.size // BLOCK_BYTES + 1, f"read {source.name}", "block")
        for split, bad in parallel(read, blocks):
            rejects += bad
            for month, table in split.items():
                counts[month] += table.num_rows
                if job.scope.touches(month):
                    months[month].append(table)
    _describe(source, header, counts, rejects, job.scope)
    return months, rejects


def _describe(source: Source, header: Header, counts: dict[str, int], rejects: list[Reject], scope: Scope) -> None:
    reasons = Counter(reject.reason for reject in rejects)
    source.form, source.unknown_columns = header.form, header.unknown
    source.months, source.quarantined = dict(sorted(counts.items())), dict(sorted(reasons.items()))
    source.rows = sum(counts.values()) + len(rejects)
    if header.unknown:
        log.warning("%s: unknown columns, kept in raw only: %s", source.key, ", ".join(header.unknown))
    if not source.rows:
        log.warning("%s: a header and no rows", source.key)
    outside = {month: count for month, count in source.months.items() if not scope.touches(month)}
    if outside:
        log.warning(
            "%s: %s rows of %s to %s stay in landing, for the scope is %s; a run of their dates takes them in",
            *(source.key, f"{sum(outside.values()):,}", min(outside), max(outside), scope),
        )


def raw_partition(tables: list[pa.Table], source: Source) -> pa.Table:
    """A month's rows of one source, as published, with their provenance."""
    table = pa.concat_tables(tables).unify_dictionaries()
    lines = table["_line"]
    table = table.drop_columns(["_line"])
    rows = table.num_rows
    extracted = pa.scalar(datetime.fromisoformat(source.extracted_at), pa.timestamp("us", "UTC"))
    table = table.append_column("_source", pa.repeat(pa.scalar(source.name), rows))
    table = table.append_column("_line", lines)
    return table.append_column("_extracted_at", pa.repeat(extracted, rows))


def quarantine_table(rejects: list[Reject], source: str) -> pa.Table:
    """What was turned away: source, line, reason and text."""
    return pa.table(
        {
            "source": pa.array([source] * len(rejects), pa.string()),
            "line": pa.array([reject.line for reject in rejects], pa.int32()),
            "reason": pa.array([reject.reason for reject in rejects], pa.string()),
            "text": pa.array([reject.text for reject in rejects], pa.string()),
        }
    )


def landed(job: Job, known: dict[str, Source]) -> dict[str, Source]:
    """The landed files by name: as the record knows them, or new where it does not or the file has changed."""
    prefix = layers.landing(job.dataset)
    found: dict[str, Source] = {}
    for info in job.store.list(prefix):
        name = info.key.removeprefix(prefix)
        if not name.lower().endswith(".csv"):
            log.warning("%s: not a .csv file; left alone", info.key)
            continue
        name = layers.safe_name(name.removesuffix(".csv"))
        if name in found:
            raise SourceError(info.key, None, f"is taken for the same source as {found[name].key}; rename one of them")
        source = known.get(name)
        if source is None or not same_file(source, info):
            source = _source(job, name, info)
        found[name] = source
    return found


def _source(job: Job, name: str, info: ObjectInfo) -> Source:
    """A landed file's entry; its extraction time is the one declared, else its modification time."""
    metadata = job.store.metadata(info.key)
    extracted = metadata.get("extracted-at")
    try:
        moment = datetime.fromisoformat(extracted) if extracted else info.last_modified
        first, end = metadata.get("covers-start"), metadata.get("covers-end")
        for day in filter(None, (first, end)):
            date.fromisoformat(day)
    except ValueError as error:
        raise SourceError(info.key, None, f"its metadata is malformed ({error})") from None
    if moment.tzinfo is None or (first is None) != (end is None) or (first and end and first >= end):
        raise SourceError(
            info.key, None, "its metadata is malformed (extracted-at without a zone, or half or an empty covers range)"
        )
    return Source(name, info.key, info.etag, info.size, info.last_modified.isoformat(), moment.isoformat(), first, end)


def in_place(job: Job, source: Source) -> list[Output] | None:
    """A source's raw partitions of the months in scope, or None where it must be read to make them."""
    keys = {month: source.part(job.dataset, month) for month in source.months if job.scope.touches(month)}
    found = {month: job.standing.get(key) for month, key in keys.items()}
    if not source.form or any(info is None or info.etag != source.written.get(month) for month, info in found.items()):
        return None
    return [Output(info.key, info.etag, source.months[month], info.size) for month, info in found.items() if info]


def run(job: Job) -> None:
    """Bring the raw layer of the months in scope up to what is landed."""
    known, _ = load_sources(job.store, job.dataset)
    job.claim("raw", job.dataset)
    sources = landed(job, known)
    if not sources:
        landing = job.store.describe(layers.landing(job.dataset))
        raise DataError(f"{job.what}: nothing is landed: {landing} holds no .csv file; land one there")
    outputs: list[Output] = []
    problems: list[str] = []
    read: list[Source] = []
    for source in sources.values():
        found = in_place(job, source)
        if found is None:
            try:
                found = ingest(job, source)
                read.append(source)
            except SourceError as error:
                found = []
                problems.append(str(error))
        outputs += found
    if problems:
        raise DataError(
            f"{job.what}: {len(problems)} of {len(sources)} landed files cannot be read: {'; '.join(problems)}"
        )
    log.info("%s: %d landed files, %d read, %d unchanged", job.what, len(sources), len(read), len(sources) - len(read))

    concerned = [
        source for source in sources.values() if any(map(job.scope.touches, source.months)) or not source.months
    ]
    for source in concerned:
        job.rules.update(source.quarantined)
    job.check_quarantine(sum(sum(source.quarantined.values()) for source in read), sum(source.rows for source in read))
    job.inputs = {source.key: source.etag for source in sources.values()}
    job.replace(outputs)
    for name in known.keys() - sources.keys():  # no longer landed
        job.store.delete(layers.quarantine(job.stage, job.dataset, name))
    save_sources(job.store, job.dataset, sources, known)
    rows_out = sum(output.rows for output in outputs)
    quarantined = sum(sum(source.quarantined.values()) for source in concerned)
    in_scope = sum(count for source in concerned for month, count in source.months.items() if job.scope.touches(month))
    job.finish(Ledger(rows_in=in_scope + quarantined, rows_out=rows_out, quarantined=quarantined))


def ingest(job: Job, source: Source) -> list[Output]:
    """Write one landed file's raw partitions of the months in scope, and its quarantine."""
    months, rejects = read_source(job, source)

    def write(month: str) -> Output:
        table = raw_partition(months.pop(month), source)
        return job.put(source.part(job.dataset, month), to_parquet(table), table.num_rows)

    outputs = list(progress(parallel(write, sorted(months)), len(months), f"write {source.name}"))
    source.written = {layers.month_of(output.key) or "": output.etag for output in outputs}
    key = layers.quarantine(job.stage, job.dataset, source.name)
    if rejects:
        job.store.put(key, to_parquet(quarantine_table(rejects, source.name)))
    else:
        job.store.delete(key)
    return outputs
