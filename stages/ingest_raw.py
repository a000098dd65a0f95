"""landing → raw: every landed row as text, split by month, with where it came from.

A raw partition is a function of one landed file and one month. A file that has not changed is not read again, so a
daily run reads new files only. Rows without a readable date belong to no month: they are quarantined, as is
anything that is not a row at all.

Here a run learns which months it works on: those that its dates touch, those of files that are gone from landing, and,
if it takes in what is new, those of every file that has not yet fully reached the warehouse.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.datasets import names
from stages.datasets.dataset import Dataset
from stages.datasets.values import DATE_FORMS, is_null_word
from stages.errors import DataError, ObjectMissing, SourceError
from stages.lake import keys
from stages.lake.chunks import plan, text
from stages.lake.job import Job, Output, Run
from stages.lake.ledger import Ledger
from stages.lake.limits import check_limits
from stages.lake.parquet import grouped, to_parquet
from stages.lake.raw_layer import RawLayer, forget_carried
from stages.lake.scope import Scope, month_code, month_name, spans
from stages.lake.sources import Source, load_sources, new_source, save_sources
from stages.lake.store import ObjectStore, sha256_of
from stages.lake.tally import EXAMPLES, ROW, cut
from stages.landing.content import opened
from stages.landing.csv_file import BLOCK_BYTES, REJECTS, Block, Reject, Rows, read_blocks, read_rows
from stages.landing.header import Header, read_header
from stages.landing.socrata.plan import is_as_fetched, months_before, read_name
from stages.logs import counted, log, progress
from stages.parallel import parallel


def months_of(dates: pa.ChunkedArray, dataset: Dataset) -> np.ndarray:
    """Text dates → the month as a scope.month_code, or -1 where the date cannot be read."""
    encoded = pc.dictionary_encode(dates.combine_chunks())
    parsed = [dataset.parse_date(text) for text in encoded.dictionary.to_pylist()]
    codes = np.array([month_code(day.isoformat()[:7]) if day else -1 for day in parsed] + [-1], dtype=np.int32)
    months: np.ndarray = codes[pc.fill_null(encoded.indices, len(parsed)).to_numpy(zero_copy_only=False)]
    return months


def reasons(dataset: Dataset) -> dict[str, str]:
    """Why a record is rejected here → what that means."""
    return REJECTS | {
        f"{dataset.date}_missing": "the date is blank, so the row belongs to no month",
        f"{dataset.date}_unreadable": f"not a calendar date written as {DATE_FORMS}",
    }


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
            text = record[date_column]
            reason = f"{dataset.date}_{'missing' if text is None or is_null_word(text) else 'unreadable'}"
            rejects.append(Reject(line, reason, json.dumps(record, ensure_ascii=False)))
    return months, rejects


def read_source(job: Job, dataset: Dataset, source: Source) -> tuple[dict[str, list[pa.Table]], list[Reject]]:
    """Read a landed file whole: tables of the months to take in, and rejects; fills in the counts of `source`."""
    months: dict[str, list[pa.Table]] = defaultdict(list)
    rejects: list[Reject] = []
    counts: dict[str, int] = defaultdict(int)
    with job.store.local(source.key) as path, ThreadPoolExecutor(max_workers=1) as meanwhile:
        digest = meanwhile.submit(sha256_of, path)
        with opened(source.key, path) as content:
            header = read_header(source.key, content, dataset)
        date_column = dataset.published(dataset.date, header.form)

        def read(block: Block) -> tuple[dict[str, pa.Table], list[Reject]]:
            rows = read_rows(source.key, header, block)
            split, undated = split_by_month(rows, date_column, dataset)
            return split, rows.rejects + undated

        blocks = progress(
            read_blocks(source.key, path, header), source.size // BLOCK_BYTES + 1, f"read {source.name}", "block"
        )
        for split, bad in parallel(read, blocks):
            rejects += bad
            for month, table in split.items():
                counts[month] += table.num_rows
                if job.run.take_in_new or job.touches(month):
                    months[month].append(table)
        source.digest = digest.result()
    _describe(source, header, counts, rejects)
    return months, rejects


def _describe(source: Source, header: Header, counts: dict[str, int], rejects: list[Reject]) -> None:
    reasons = Counter(reject.reason for reject in rejects)
    source.form, source.unknown_columns = header.found, header.unknown
    source.months, source.quarantined = dict(sorted(counts.items())), dict(sorted(reasons.items()))
    source.rows = sum(counts.values()) + len(rejects)
    if header.unknown:
        log.warning("%s: unknown columns, kept in raw only: %s", source.key, ", ".join(header.unknown))
    if not source.rows:
        log.warning("%s: has a header but no rows", source.key)


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
    """The landed files by name: the record's entries, or new ones where it has none or the file has changed."""
    prefix = keys.landing(dataset.name)
    found: dict[str, Source] = {}
    for info in job.store.list(prefix):
        name = info.key.removeprefix(prefix)
        if not keys.is_csv(name):
            log.warning("%s: not a .csv or .csv.gz file; ignored", info.key)
            continue
        name = keys.source(name)
        if name in found:
            raise SourceError(info.key, None, f"has the same source name as {found[name].key}; rename one of them")
        source = known.get(name)
        if source is None or not source.is_of(info) or source.made_by != dataset.made_by:
            now = new_source(job.store, name, info, dataset.made_by)
            if source and is_same(job, source, now):
                source = replace(source, etag=now.etag, last_modified=now.last_modified)
            else:
                now.pending = source.pending if source else {}
                source = now
                warn_if_no_longer_as_fetched(source, dataset.name)
        found[name] = replace(source, written=dict(source.written), pending=dict(source.pending))
    return found


def is_same(job: Job, known: Source, now: Source) -> bool:
    """Whether a file that was landed again is what the record describes: what is known of it stays known."""
    if not known.digest or known.described != now.described:
        return False
    with job.store.local(now.key) as path:
        return sha256_of(path) == known.digest


def warn_if_no_longer_as_fetched(source: Source, dataset: str) -> None:
    """Warn where a file has the name of a fetched one, and not what that declared."""
    fetched = read_name(source.key, dataset)
    if fetched and not is_as_fetched(fetched, source):
        log.warning(
            "%s: its name is that of a fetched file, but what it declared is lost, as in a copy without metadata; it"
            " withdraws nothing, and its modification time counts as its extraction time; a run with a source and"
            " --full-refresh puts this right",
            source.key,
        )


def run(this: Run, datasets: Sequence[Dataset]) -> list[str]:
    """Bring the raw layer up to what is landed, after what the run needs of the source has been, if there is one;
    returns the chunks that the transforms' work is cut into.

    Raises DataError where no dataset has a landed file, or one that had some no longer has any.
    """
    jobs = {dataset: Job.begin(this, "ingest_raw", dataset.name) for dataset in datasets}
    if this.settings.source:
        from stages.landing.socrata.fetch import fetch

        for dataset in datasets:
            fetch(this, dataset)
    warn_of_other_folders(this.store, {*names(), *(dataset.name for dataset in datasets)})
    ready = []
    for dataset, job in jobs.items():
        known, _ = load_sources(job.store, dataset.name)
        remove_rejected(job, kept=known)
        raw = RawLayer.of(job, known)
        ready.append((raw, dataset, landed(job, dataset, known)))
    nothing_landed = not any(sources for *_, sources in ready)
    done: dict[str, tuple[Job, Ledger]] = {}
    for raw, dataset, sources in ready:
        job = raw.job
        if sources:
            done[dataset.name] = job, ingest_dataset(raw, dataset, sources)
            job.work_done()
            continue
        landing = job.store.describe(keys.landing(dataset.name))
        if nothing_landed or raw.known:
            raise DataError(
                f"{job.what}: no landed files: {landing} holds no .csv or .csv.gz file; land one there, or"
                " run with the source (COLLISIONS_SOURCE)"
            )
        log.info("%s: no landed files in %s", job.what, landing)
        job.finish(Ledger())
    chunks = plan(sizes_of(job for job, _ in done.values()), done, this.settings.chunk_mib << 20)
    for job, ledger in done.values():
        job.chunks = sorted(span for chunk in chunks if (span := chunk.get(job.dataset)))
        job.finish(ledger)
    texts = [text(chunk) for chunk in chunks]
    log.info("ingest_raw: chunks for the next stages: %s", " ".join(texts))
    return texts


def warn_of_other_folders(store: ObjectStore, datasets: Iterable[str]) -> None:
    """Warn of files in landing that lie in none of these datasets' folders: nothing reads them."""
    folders = sorted(map(keys.landing, datasets))
    others = Counter(it.key.rpartition("/")[0] for it in store.list("landing/") if not it.key.startswith((*folders,)))
    for folder, count in sorted(others.items()):
        log.warning(
            "%s/: %s ignored: no dataset reads this folder; the datasets' folders are %s",
            *(folder, counted(count, "file"), ", ".join(folders)),
        )


def sizes_of(jobs: Iterable[Job]) -> Counter[tuple[str, str]]:
    """The bytes that the run works on, by dataset and month, in order."""
    sizes: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        for month, size in sorted((keys.month_of(output.key) or "", output.size) for output in job.outputs):
            sizes[job.dataset, month] += size
    return sizes


def ingest_dataset(raw: RawLayer, dataset: Dataset, sources: dict[str, Source]) -> Ledger:
    """Bring one dataset's raw layer up to date."""
    job = raw.job
    job.files = {source.name: source.key for source in sources.values()}
    job.meanings = reasons(dataset)
    removed = removed_sources(raw, sources)
    everything = sources | removed
    forget_carried(job.store, dataset.name, everything.values())
    asked_for = job.run.also
    fetched = any(read_name(source.key, dataset.name) for source in sources.values())
    if fetched and not job.run.take_in_new:  # what is fetched begins some days before the dates
        asked_for |= months_before(job.run.scope, job.run.also, job.run.settings.lookback_days)
    read, written = read_what_is_missing(raw, dataset, sources, removed, asked_for)
    log.info(
        "%s: %s, %d read, %d unchanged",
        *(job.what, counted(len(sources), "landed file"), len(read), len(sources) - len(read)),
    )
    if others := job.months - asked_for:
        log.info(
            "%s: also works on %s of new, changed or removed files: %s",
            *(job.what, counted(len(others), "month"), spans(others)),
        )
    warn_of_dates_without_rows(job, sources)
    for source in sources.values():
        known = raw.known.get(source.name)
        stale = known.written if known and known.content == source.content else {}  # of another version of the code
        left = {month: rows for month, rows in source.left_in_landing.items() if month not in stale}
        if left:
            log.warning(
                "%s: %s of %s left in landing: this run works only on the months of %s; a scheduled run, or a run over"
                " these months, takes in what is left",
                *(source.key, counted(sum(left.values()), "row"), spans(left), job.scope),
            )

    concerned = [source for source in sources.values() if any(map(job.touches, source.months)) or not source.months]
    for source in concerned:
        job.rules.update(source.quarantined)
    rejected: Counter[str] = Counter()
    for source in read:
        rejected.update(source.quarantined)
    check_limits(job, rejected, sum(source.rows for source in read))
    job.inputs = {source.key: source.etag for source in sources.values()}
    job.replace(output for source in concerned for output in raw_outputs(job, source, written))
    remove_rejected(job, kept=sources)
    raw.mark(everything.values())
    save_sources(job.store, dataset.name, everything, raw.known)
    quarantined = sum(sum(source.quarantined.values()) for source in concerned)
    in_scope = sum(count for source in concerned for month, count in source.months.items() if job.touches(month))
    rows_out = sum(output.rows for output in job.outputs)
    return Ledger(rows_in=in_scope + quarantined, rows_out=rows_out, quarantined=quarantined)


def warn_of_dates_without_rows(job: Job, sources: dict[str, Source]) -> None:
    """Warn where a run over given dates finds no landed row in their months; a scheduled run may well have no news."""
    scope, also = job.run.scope, job.run.also
    if job.run.take_in_new or scope == Scope():
        return
    months = {month for source in sources.values() for month in source.months}
    if not any(scope.touches(month) or month in also for month in months):
        log.warning(
            "%s: nothing is landed for %s%s%s",
            *(job.what, scope, f" and {spans(also)}" if also else ""),
            f"; what is landed is of {spans(months)}" if months else ", nor for other dates",
        )


def removed_sources(raw: RawLayer, sources: dict[str, Source]) -> dict[str, Source]:
    """The recorded files that are no longer in landing; those gone since the last run are logged."""
    job, removed = raw.job, {}
    for name in raw.known.keys() - sources.keys():
        source = raw.known[name]
        source = replace(source, pending=dict(source.pending))
        if source.removed_at is None:
            held = [source.part(job.dataset, month) for month in raw.before[name]]
            rows = sum(rows_in(job.store, key) for key in held)
            log.warning(
                "%s: is no longer in landing: this run removes its %s in %s%s",
                *(source.key, counted(rows, "row"), counted(len(held), "month")),
                f", {spans(raw.before[name])}" if held else "",
            )
            job.rules["landed_file_removed"] += rows
            source = replace(source, removed_at=job.started_at.isoformat(), written={}, quarantined={})
        removed[name] = source
    return removed


def remove_rejected(job: Job, kept: Collection[str]) -> None:
    """Remove from quarantine the rows of files that are no longer in landing, but for those of the sources `kept`.

    Quarantine is listed before landing, and only what was listed is removed: a file that lands meanwhile, and is read
    by another run, keeps its rows.
    """
    rejected = {keys.part_of(it.key): it for it in job.store.list(keys.quarantined(job.stage, job.dataset))}
    if not rejected.keys() - kept:
        return
    prefix = keys.landing(job.dataset)
    in_landing = {keys.source(info.key.removeprefix(prefix)) for info in job.store.list(prefix)}
    for name in sorted(rejected.keys() - kept - in_landing):
        key = rejected[name].key
        now = job.store.head(key)
        if now and now.etag == rejected[name].etag:  # else another run has written it meanwhile
            job.store.delete(key)
            log.info(
                "%s: removed %s: the file of these rejected rows is no longer in landing",
                *(job.what, job.store.describe(key)),
            )


def rows_in(store: ObjectStore, key: str) -> int:
    """The rows of a partition; none where another run has removed it meanwhile."""
    try:
        return int(pq.read_metadata(io.BytesIO(store.read(key))).num_rows)
    except ObjectMissing:
        return 0


def read_what_is_missing(
    raw: RawLayer, dataset: Dataset, sources: dict[str, Source], removed: dict[str, Source], asked_for: Set[str]
) -> tuple[list[Source], dict[str, Output]]:
    """Read the landed files that the raw layer lacks for this run's months; returns these, and what was written by key.

    Beyond the run's dates these are the months `asked_for`, and those of new, changed or removed files: reading one
    file may add months for which another has to be read again.
    """
    job = raw.job
    read: dict[str, Source] = {}
    written: dict[str, Output] = {}
    problems: list[str] = []
    job.months = raw.orphans(sources) | asked_for
    while True:
        for source in removed.values():
            job.months |= raw.affected(source) | source.pending.keys()
        for source in sources.values():
            if job.run.take_in_new:
                job.months |= source.pending.keys()
            if source.form:  # it has been read, now or by an earlier run
                job.months |= raw.affected(source) if job.run.take_in_new else raw.stale(source)
        missing = [source for source in sources.values() if not raw.is_current(source)]
        for source in missing:
            try:
                outputs = ingest(job, dataset, source)
            except SourceError as error:
                problems.append(str(error))
                continue
            read[source.name] = source
            written |= {output.key: output for output in outputs}
            raw.now[source.name] |= {keys.month_of(output.key) or "": output.etag for output in outputs}
        if problems:
            raise DataError(
                f"{job.what}: {len(problems)} of {len(sources)} landed files cannot be read: {'; '.join(problems)}"
            )
        if not missing:
            return list(read.values()), written


def raw_outputs(job: Job, source: Source, written: dict[str, Output]) -> Iterator[Output]:
    """A file's raw partitions of the months at work: just written, or in place."""
    for month, rows in source.months.items():
        key = source.part(job.dataset, month)
        if job.touches(month):
            standing = job.standing.get(key)
            yield written.get(key) or Output(key, standing.etag, rows, standing.size)  # type: ignore[union-attr]


def ingest(job: Job, dataset: Dataset, source: Source) -> list[Output]:
    """Write a landed file's raw partitions of the months to take in, and its quarantine."""
    months, rejects = read_source(job, dataset, source)
    job.tally.of[source.name, ROW] = source.rows
    for reason, count in source.quarantined.items():
        examples = islice((reject for reject in rejects if reject.reason == reason), EXAMPLES)
        job.tally.marked[source.name, ROW, reason] = count
        job.tally.examples[source.name, ROW, reason] = [f"line {one.line}: {cut(one.text, 120)}" for one in examples]

    def write(month: str) -> Output:
        table = raw_partition(months.pop(month), source)
        content = to_parquet(table, dataset.made_by, {*dataset.unrepeated, "_line"})
        return job.put(source.part(dataset.name, month), content, table.num_rows)

    outputs = list(progress(parallel(write, sorted(months)), len(months), f"write {source.name}"))
    source.written |= {keys.month_of(output.key) or "": output.etag for output in outputs}
    key = keys.quarantine(job.stage, dataset.name, source.name)
    if rejects:
        job.store.put(key, to_parquet(quarantine_table(rejects, source.name)))
    else:
        job.store.delete(key)
    return outputs
