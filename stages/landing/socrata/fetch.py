"""Fetches what a run needs of the source into landing: asks, checks the answers against one another, lands them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.datasets.dataset import Dataset
from stages.errors import DataError, SourceError, SourceUnavailable
from stages.lake import keys
from stages.lake.job import Run
from stages.lake.scope import stretches, whole_months
from stages.lake.sources import load_sources, new_source, refuse_future
from stages.lake.store import ObjectStore
from stages.landing.csv_file import read_blocks, read_rows
from stages.landing.header import read_header
from stages.landing.socrata.client import Client, Query
from stages.landing.socrata.journal import note, read_journal, what_counts
from stages.landing.socrata.pages import ID, TRUTH, UPDATED, Answer, Mismatch, PageCache, download, export
from stages.landing.socrata.plan import Extraction, State, after, is_as_fetched, plan, read_name, republished
from stages.logs import counted, counter, human_bytes, log

ROUNDS = 4  # how often a source that changes while it is read is read again
TIMESTAMPS = {"floating_timestamp", "fixed_timestamp", "calendar_date"}
TYPES = {"number", "text", *TIMESTAMPS}


def fetch(run: Run, dataset: Dataset, *, dry_run: bool = False) -> list[str]:
    """Land what the run needs of a dataset's source and return the keys, in the order of landing.

    A dataset without an API is left alone. `dry_run` logs the requests and counts, and neither asks for rows nor lands.
    Raises SourceUnavailable where the source does not answer, or keeps changing; DataError where it no longer has what
    the dataset needs; ConfigError where it refuses access.
    """
    if dataset.api is None:
        log.info("%s: has no API; its files are landed by hand", dataset.name)
        return []
    client = Client(run.settings, dataset.api.id, run.began)
    try:
        return Fetch(run, dataset, dataset.api.form, client, dry_run).run_rounds()
    finally:
        client.close()


@dataclass
class Fetch:
    """One fetch of a dataset."""

    run: Run
    dataset: Dataset
    form: str
    client: Client
    dry_run: bool
    whole: bool = False  # whether the last round asked for the whole table
    lost: Collection[str] = ()  # keys of fetched files that are gone, as the last round knew them

    @property
    def day(self) -> str:
        """What the API calls the column of the dates."""
        return self.dataset.published(self.dataset.date, self.form)

    def run_rounds(self) -> list[str]:
        """Fetch, and again where the source changed in between."""
        problem = ""
        for number in range(1, ROUNDS + 1):
            try:
                with tempfile.TemporaryDirectory(prefix="collisions-fetch-") as folder:
                    return self._round(Path(folder))
            except Mismatch as error:
                problem = str(error)
                log.warning("%s: %s; reading it again (%d of %d)", self.dataset.name, problem, number, ROUNDS)
        raise SourceUnavailable(
            f"{self.dataset.name}: {self.client.url} gave no consistent answer in {ROUNDS} rounds; in the last one,"
            f" {problem}; nothing was landed, run again later"
            f"{' (COLLISIONS_FULL_REFRESH_DAYS=0 leaves out the full refresh)' if self.whole else ''}"
        )

    def _round(self, folder: Path) -> list[str]:
        columns = self.columns()
        before = self.state()
        self.say_how_fresh(before)
        if not before.rows:
            return []  # an empty table is a fault of the source: it withdraws nothing
        answers: list[tuple[Extraction, Path, Answer]] = []
        for number, (one, expected) in enumerate(self._asked(before)):
            path = folder / f"{number}.csv"
            if self.dry_run:
                self._describe(one, columns, expected)
                continue
            with counter(expected, f"{self.dataset.name} {one.what}") as tell:
                if one.whole:
                    answer = export(self.client, expected, path, before.changed, tell)
                    self._check_export(path)
                else:
                    answer = download(
                        self.client,
                        one.where(self.day),
                        columns=columns,
                        expected=expected,
                        path=path,
                        cache=self._cache(one, columns, expected),
                        changed=before.changed,
                        tell=tell,
                    )
            answers.append((one, path, answer))
        if answers:
            now = self.state()
            if now != before:
                raise Mismatch(f"{before.rows:,} rows changed by {before.updated} became {now}")
        return [self._land(*answered, columns) for answered in answers]

    def _asked(self, before: State) -> list[tuple[Extraction, int]]:
        """What is asked for, in the order of landing, and how many rows it has."""
        wanted = self._wanted(before, full_refresh=self.run.full_refresh)
        if not wanted:
            log.info("%s: the source has not changed since it was fetched; nothing to ask for", self.dataset.name)
        asked: list[tuple[Extraction, int]] = []
        for one in wanted:
            expected = self.count(one, before)
            anew = bool(one.since) and republished(expected, before, self.run.settings)
            if anew and self.lost and self.run.settings.full_refresh_days:
                # Since the mark before the lost files no single change can be told: only the whole table has them.
                return [(whole, before.rows) for whole in self._wanted(before, full_refresh=True)]
            if anew:
                self._say_republished(expected, before)
            if anew or (one.since and not expected):
                if one.followed:  # then the interval carries the mark, and is fetched although landing has it
                    wanted.append(replace(one, covers=one.elsewhere, since="", elsewhere=None))
                continue
            asked.append((one, expected))
        return asked

    def _check_export(self, path: Path) -> None:
        """Raise Mismatch where an export cannot be read, or has a record twice in place of another, for which the
        number of its rows is right; SourceError where its columns are not the published ones. What it covers and lacks
        would be withdrawn.
        """
        source = f"{self.dataset.name}: the export"
        with path.open("rb") as file:
            header = read_header(source, file, self.dataset)
        key = self.dataset.published(self.dataset.key, header.form)
        try:
            hashes = np.concatenate([
                np.fromiter(map(hash, rows.table[key].cast(pa.string()).drop_null().to_pylist()), dtype=np.int64)
                for rows in (read_rows(source, header, block) for block in read_blocks(source, path, header))
            ])  # fmt: skip
        except SourceError as error:
            raise Mismatch(f"the export cannot be read: {error}") from None
        keys_there = len(np.unique(hashes))
        if keys_there == len(hashes):
            return
        column = self.dataset.published(self.dataset.key, self.form)
        (row,), _ = self._one(Query(f"count(distinct {column}) as rows"))
        if keys_there != int(row["rows"]):  # else the table itself has them twice
            raise Mismatch(f"the export has {keys_there:,} different keys where the API counts {int(row['rows']):,}")

    def _wanted(self, before: State, *, full_refresh: bool) -> list[Extraction]:
        """What is to be asked for, in the order of landing, however many rows it has."""
        landed = Landed.of(self.run.store, self.dataset)
        moment = after(datetime.now(UTC).replace(microsecond=0), landed.newest)
        follow, settings = self.run.take_in_new, self.run.settings
        wanted = plan(
            self.run.scope,
            settings,
            landed.fetched,
            before,
            moment,
            by_hand=landed.by_hand,
            follow=follow,
            full_refresh=full_refresh,
        )
        for stretch in stretches(self.run.also):  # years apart from those of the scope
            if not any(one.whole for one in wanted):
                wanted += plan(whole_months([*stretch]), settings, landed.fetched, before, moment)
        self.whole, self.lost = any(one.whole for one in wanted), landed.lost
        if follow and not self.whole and not any(one.followed for one in landed.fetched):
            gone = (
                f"no longer in landing: {', '.join(landed.lost)}"
                if landed.lost
                else "changes of the source are followed only from now on"
            )
            log.warning(
                "%s: %s; what changed on other dates before cannot be told: a run with --full-refresh brings it",
                *(self.dataset.name, gone),
            )
        return wanted

    def _cache(self, one: Extraction, columns: list[str], expected: int) -> PageCache:
        what = keys.safe_name(one.key(self.dataset.name).rpartition("/")[2].partition("_asof_")[0])
        state = json.dumps([vars(one.state), one.where(self.day), columns, expected])
        return PageCache(self.run.store, self.dataset.name, self.run.run_id, what, state)

    def _land(self, one: Extraction, path: Path, answer: Answer, columns: list[str]) -> str:
        key = one.key(self.dataset.name)
        stated = {
            f"source-{name}": value
            for name in ("etag", "last-modified")
            if (value := answer.headers.get(name, "")).isascii() and value
        }
        self.run.store.put(key, path, metadata=one.metadata() | stated)
        note(self.run.store, self.dataset.name, one, self.lost if one.followed else ())
        if not one.whole:
            self._cache(one, columns, answer.rows).clear()
        log.info(
            "%s: fetched %s: %s, %s, %s so far → %s",
            *(self.dataset.name, one.what, counted(answer.rows, "row"), human_bytes(path.stat().st_size)),
            *(counted(self.client.requests, "request"), self.run.store.describe(key)),
        )
        return key

    def _say_republished(self, changed: int, now: State) -> None:
        log.warning(
            "%s: %s rows outside of the run's dates, of %s in all, have a new :updated_at: the source was published"
            " anew, so single changes cannot be told apart and are not asked for; what has changed there comes with %s",
            *(self.dataset.name, f"{changed:,}", f"{now.rows:,}"),
            "the next full refresh" if self.run.settings.full_refresh_days else "a run with --full-refresh",
        )

    def _describe(self, one: Extraction, columns: list[str], expected: int) -> None:
        limit = self.run.settings.source_page_rows
        request = self.client.export() if one.whole else self.client.query(
            Query(",".join(columns), one.where(self.day), ID, limit)
        )  # fmt: skip
        pages = 1 if one.whole else max(1, -(-expected // limit))
        log.info(
            "%s: would fetch %s: %s in %s, the first being %s",
            *(self.dataset.name, one.what, counted(expected, "row"), counted(pages, "request")),
            self.client.describe(request),
        )

    # --- what the source says of itself ---

    def columns(self) -> list[str]:
        """The columns to ask for: the API's key and time of a row, the declared ones, and those that are new.

        Raises DataError where the API no longer has one that the dataset needs, or where the dates are no dates.
        """
        found, headers = self._rows(Query(":*,*", limit=1))
        try:
            fields = names(headers.get("x-soda2-fields", "[]")) or list(found[0] if found else [])
            types = dict(zip(fields, names(headers.get("x-soda2-types", "[]")), strict=False))
        except ValueError as error:
            raise Mismatch(f"the answer's headers do not name its columns: {error}") from None
        if not fields:
            raise Mismatch("the answer has no columns")
        declared = self.dataset.forms[self.form]
        missing = [name for name in declared if name not in fields]
        needed = [name for name in missing if name in self.dataset.kept(self.form)]
        where = f"{self.dataset.name} ({self.client.url}, {self.client.id})"
        if needed:
            raise DataError(f"{where}: the source no longer has the columns {', '.join(needed)}; nothing was fetched")
        problems = wrong_types(self.dataset, self.form, types)
        if self.day in problems:
            raise DataError(
                f"{where}: {self.day} is of the type {types[self.day]}, not a timestamp, so no dates can be asked for"
            )
        for name, expected in problems.items():
            log.warning("%s: %s is of the type %s, not %s", where, name, types[name], expected)
        if missing:
            log.warning("%s: the source no longer has %s", where, ", ".join(missing))
        new = [name for name in fields if name not in declared and not name.startswith(":")]
        if new:
            log.warning("%s: the source has new columns, kept in raw only: %s", where, ", ".join(new))
        return [ID, UPDATED, *(name for name in declared if name not in missing), *new]

    def state(self) -> State:
        """The whole table as it is now."""
        (row,), headers = self._one(Query(f"count(*) as rows,max({UPDATED}) as updated,max({self.day}) as newest"))
        newest, tomorrow = row["newest"], datetime.now(UTC).date() + timedelta(days=1)
        if newest >= f"{tomorrow}":  # one wrong date would hide that the source stands still
            log.warning("%s: the source has records of the future, up to %s", self.dataset.name, newest[:10])
            (past,), _ = self._one(
                Query(f"count(*) as rows,max({self.day}) as newest", f"{self.day} < '{tomorrow}T00:00:00'")
            )
            newest = past["newest"]
        changed = headers.get(TRUTH, "")
        state = State(int(row["rows"]), row["updated"], newest, changed if changed.isascii() else "")
        try:
            _ = state.newest_day
            if state.rows:
                datetime.fromisoformat(state.updated)
        except ValueError:
            raise Mismatch(f"its newest date and {UPDATED} are answered as {newest!r} and {state.updated!r}") from None
        return state

    def count(self, one: Extraction, now: State) -> int:
        """How many rows an extraction has, as the API counts them."""
        if one.whole:
            return now.rows
        (row,), _ = self._one(Query("count(*) as rows", one.where(self.day)))
        return int(row["rows"])

    def _one(self, query: Query) -> tuple[list[dict[str, str]], Mapping[str, str]]:
        rows, headers = self._rows(query)
        row = rows[0] if len(rows) == 1 else {}
        values = [row.get(name) for name in re.findall(r" as (\w+)", query.select)]  # None where the row is too short
        if not (all(value is not None and value.isascii() for value in values) and row["rows"].isdecimal()):
            raise Mismatch(f"the answer to {query.soql()} is no count: {rows[:1]}")
        return rows, headers

    def _rows(self, query: Query) -> tuple[list[dict[str, str]], Mapping[str, str]]:
        if self.dry_run:
            log.info("%s: %s", self.dataset.name, self.client.describe(self.client.query(query)))
        return self.client.rows(query)

    def say_how_fresh(self, now: State) -> None:
        """Log how old the newest record is, as a warning where the source has not moved for long."""
        newest = now.newest_day
        if newest is None:
            what = "has no date that is not of the future" if now.rows else "is empty"
            log.warning("%s: the source %s", self.dataset.name, what)
            return
        days = (datetime.now(UTC).date() - newest).days
        say = log.warning if days > self.run.settings.stale_days else log.info
        say(
            "%s: the source has %s; its newest record is of %s, %s ago%s",
            *(self.dataset.name, counted(now.rows, "row"), newest, counted(days, "day")),
            f" (more than COLLISIONS_STALE_DAYS={self.run.settings.stale_days})" if say == log.warning else "",
        )


def names(text: str) -> list[str]:
    """A JSON list of texts; raises ValueError where it is none."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{text[:200]} is no list of names")
    return found


@dataclass(frozen=True)
class Landed:
    """What landing has of a dataset: what was `fetched` and what is `lost` of it (`journal.what_counts`), and the
    newest extraction time of all fetched files, and of the files that are not in the journal.
    """

    fetched: list[Extraction]
    lost: list[str]
    newest: datetime | None
    by_hand: datetime | None

    @classmethod
    def of(cls, store: ObjectStore, dataset: Dataset) -> Landed:
        """Read landing and the journal. Raises SourceError where a file was fetched by a clock far ahead: what is
        fetched now would be older.
        """
        recorded, _ = load_sources(store, dataset.name)
        prefix = keys.landing(dataset.name)
        fetched: dict[str, datetime] = {}
        by_hand: list[datetime] = []
        for info in store.list(prefix):
            name = info.key.removeprefix(prefix)
            if not keys.is_csv(name):
                continue
            source = recorded.get(keys.source(name))
            if source is None or not source.is_of(info):
                source = new_source(store, keys.source(name), info, dataset.made_by)
            moment = datetime.fromisoformat(source.extracted_at)
            one = read_name(info.key, dataset.name)
            if one and is_as_fetched(one, source):
                refuse_future(info.key, moment, declared=True)
                fetched[info.key] = moment
            else:
                by_hand.append(moment)
        entries, _ = read_journal(store, dataset.name)
        noted = {one.key(dataset.name) for one in entries}
        by_hand += [moment for key, moment in fetched.items() if key not in noted]  # of what state it is, nobody knows
        found, lost = what_counts(entries, dataset.name, fetched)
        return cls(found, lost, max(fetched.values(), default=None), max(by_hand, default=None))


def wrong_types(dataset: Dataset, form: str, types: Mapping[str, str]) -> dict[str, str]:
    """Columns of the API whose type is not what the dataset's declaration expects → what it expects."""
    wrong = {}
    for column in dataset.columns:
        name = column.headers.get(form, "")
        if name not in types or types[name] not in TYPES:
            continue
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        expected = TIMESTAMPS if pa.types.is_date(column.type) else {"number"} if numeric else {"text"}
        if types[name] not in expected:
            wrong[name] = " or ".join(sorted(expected))
    return wrong
