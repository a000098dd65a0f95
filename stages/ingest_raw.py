"""landing → raw: every landed row as text, split by month, with where it came from.

A raw partition is a function of one landed file and one month. A file that has not changed is not read again, so a
daily run reads new files only. Rows without a readable date belong to no month: they are quarantined, as is what is
not a row at all.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.datasets.dataset import Dataset
from stages.errors import DataError, SourceError
from stages.lake import keys
from stages.lake.job import Job, Output, Run
from stages.lake.ledger import Ledger
from stages.lake.parquet import grouped, to_parquet
from stages.lake.scope import Scope, month_code, month_name
from stages.lake.sources import Source, load_sources, save_sources
from stages.lake.store import ObjectInfo
from stages.landing.csv_file import BLOCK_BYTES, Block, Header, Reject, Rows, read_blocks, read_header, read_rows
from stages.logs import log, progress
from stages.parallel import parallel


def months_of(dates: pa.ChunkedArray, dataset: Dataset) -> np.ndarray:
    """Text dates → the month as scope.month_code has it, or -1 where the date cannot be read."""
    encoded = pc.dictionary_encode(dates.combine_chunks())
    parsed = [dataset.parse_date(text) for text in encoded.dictionary.to_pylist()]
    codes = np.array([month_code(day.isoformat()[:7]) if day else -1 for day in parsed] + [-1], dtype=np.int32)
    months: np.ndarray = codes[pc.fill_null(encoded.indices, len(parsed)).to_numpy(zero_copy_only=False)]
    return months


def split_by_month(rows: Rows, date_column: str, dataset: Dataset) -> tuple[dict[str, pa.Table], list[Reject]]:
    """Rows of a block → a table for each month, in the file's order, and the rows without a readable date."""
    table = rows.table.append_column("_line", pa.array(rows.lines, pa.int32()))
    months: dict[str, pa.Table] = {}
    rejects: list[Reject] = []
    for code, part in grouped(table, months_of(table[date_column], dataset)):
        if code >= 0:
            months[month_name(code)] = part
            continue
        for record in part.to_pylist():
            line = record.pop("_line")
            reason = f"{dataset.date}_unreadable" if record[date_column] else f"{dataset.date}_missing"
            rejects.append(Reject(line, reason, json.dumps(record, ensure_ascii=False)))
    return months, rejects


def read_source(job: Job, dataset: Dataset, source: Source) -> tuple[dict[str, list[pa.Table]], list[Reject]]:
    """Read a landed file whole: tables of the months in scope, and rejects; fills in what `source` counts."""
    months: dict[str, list[pa.Table]] = defaultdict(list)
    rejects: list[Reject] = []
    counts: dict[str, int] = defaultdict(int)
    with job.store.local(source.key) as path:
        with path.open("rb") as content:
            header = read_header(source.key, content, dataset)
        date_column = dataset.published(dataset.date, header.form)

        def read(block: Block) -> tuple[dict[str, pa.Table], list[Reject]]:
            rows = read_rows(source.key, header, block)
            split, undated = split_by_month(rows, date_column, dataset)
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
            "%s: %s rows of %s to %s stay in landing: the scope is %s; a run over their dates takes them in",
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
    """The rejected rows: source, line, reason and text."""
    return pa.table(
        {
            "source": pa.array([source] * len(rejects), pa.string()),
            "line": pa.array([reject.line for reject in rejects], pa.int32()),
            "reason": pa.array([reject.reason for reject in rejects], pa.string()),
            "text": pa.array([reject.text for reject in rejects], pa.string()),
        }
    )


def landed(job: Job, dataset: Dataset, known: dict[str, Source]) -> dict[str, Source]:
    """The landed files by name: as the record knows them, or new where it does not or the file has changed."""
    prefix = keys.landing(dataset.name)
    found: dict[str, Source] = {}
    for info in job.store.list(prefix):
        name = info.key.removeprefix(prefix)
        if not name.lower().endswith(".csv"):
            log.warning("%s: not a .csv file; left alone", info.key)
            continue
        name = keys.safe_name(name.removesuffix(".csv"))
        if name in found:
            raise SourceError(info.key, None, f"has the same source name as {found[name].key}; rename one of them")
        source = known.get(name)
        if source is None or not source.is_of(info):
            source = _source(job, name, info, dataset.made_by)
        found[name] = source
    return found


def _source(job: Job, name: str, info: ObjectInfo, made_by: str) -> Source:
    """A landed file's entry; its extraction time is the declared one, or its modification time."""
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
    modified = info.last_modified.isoformat()
    return Source(name, info.key, info.etag, info.size, modified, moment.isoformat(), first, end, made_by)


def in_place(job: Job, source: Source) -> list[Output] | None:
    """A source's raw partitions of the months in scope, or None where it must be read to make them."""
    wanted = {month: source.part(job.dataset, month) for month in source.months if job.scope.touches(month)}
    found = {month: job.standing.get(key) for month, key in wanted.items()}
    if not source.form or any(info is None or info.etag != source.written.get(month) for month, info in found.items()):
        return None
    return [Output(info.key, info.etag, source.months[month], info.size) for month, info in found.items() if info]


def run(this: Run, datasets: Sequence[Dataset]) -> None:
    """Bring the raw layer of the months in scope up to what is landed.

    Raises DataError where no dataset has a landed file, or one that had some has none any more.
    """
    jobs = {dataset: Job.begin(this, "ingest_raw", dataset.name) for dataset in datasets}
    ready = []
    for dataset, job in jobs.items():
        known, _ = load_sources(job.store, dataset.name, dataset.made_by)
        job.claim("raw", dataset.name)
        ready.append((job, dataset, known, landed(job, dataset, known)))
    nothing_landed = not any(sources for *_, sources in ready)
    for job, dataset, known, sources in ready:
        if sources:
            ingest_dataset(job, dataset, known, sources)
            continue
        landing = job.store.describe(keys.landing(dataset.name))
        if nothing_landed or known:
            raise DataError(f"{job.what}: nothing is landed: {landing} holds no .csv file; land one there")
        log.info("%s: nothing is landed in %s", job.what, landing)
        job.finish(Ledger())


def ingest_dataset(job: Job, dataset: Dataset, known: dict[str, Source], sources: dict[str, Source]) -> None:
    """Bring one dataset's raw layer up to date; `known` is what the record held when landing was listed."""
    outputs: list[Output] = []
    problems: list[str] = []
    read: list[Source] = []
    for source in sources.values():
        found = in_place(job, source)
        if found is None:
            try:
                found = ingest(job, dataset, source)
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
        job.store.delete(keys.quarantine(job.stage, dataset.name, name))
    save_sources(job.store, dataset.name, dataset.made_by, sources, known)
    rows_out = sum(output.rows for output in outputs)
    quarantined = sum(sum(source.quarantined.values()) for source in concerned)
    in_scope = sum(count for source in concerned for month, count in source.months.items() if job.scope.touches(month))
    job.finish(Ledger(rows_in=in_scope + quarantined, rows_out=rows_out, quarantined=quarantined))


def ingest(job: Job, dataset: Dataset, source: Source) -> list[Output]:
    """Write one landed file's raw partitions of the months in scope, and its quarantine."""
    months, rejects = read_source(job, dataset, source)

    def write(month: str) -> Output:
        table = raw_partition(months.pop(month), source)
        content = to_parquet(table, dataset.made_by, {*dataset.unrepeated, "_line"})
        return job.put(source.part(dataset.name, month), content, table.num_rows)

    outputs = list(progress(parallel(write, sorted(months)), len(months), f"write {source.name}"))
    source.written = {keys.month_of(output.key) or "": output.etag for output in outputs}
    key = keys.quarantine(job.stage, dataset.name, source.name)
    if rejects:
        job.store.put(key, to_parquet(quarantine_table(rejects, source.name)))
    else:
        job.store.delete(key)
    return outputs
