"""What a run asks of the source, from what it is to cover, what was fetched before, and what the source has now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

from stages.lake import keys
from stages.lake.scope import Scope, month_code, month_name, stretches, whole_months
from stages.lake.sources import Source
from stages.settings import Settings

REPUBLISHED = 0.1  # a larger share of the table cannot be one day's changes: the city has published it anew
EVERYTHING = Scope(date(1000, 1, 1), date(9999, 12, 31))
MOMENT = "%Y%m%dT%H%M%SZ"
NAME = re.compile(
    r"(?P<dataset>.+)_(?P<what>all|changed|(?P<start>\d{4}-\d\d-\d\d)_(?P<end>\d{4}-\d\d-\d\d))"
    r"_asof_(?P<moment>\d{8}T\d{6}Z)\.csv"
)


@dataclass(frozen=True)
class State:
    """A table of the source as it is: how many rows, its newest `:updated_at`, its newest date that is not in the
    future, and when the source says that it last changed, as answered.

    Two equal states are the same table: whatever is added or edited has a new time, and what is removed is missed.
    """

    rows: int
    updated: str
    newest: str
    changed: str = ""

    @property
    def newest_day(self) -> date | None:
        """The newest date; None for an empty table."""
        return date.fromisoformat(self.newest[:10]) if self.newest else None


@dataclass(frozen=True)
class Extraction:
    """One answer of the source, landed or to be: all records of `covers`, or those changed after `since` and not of the
    dates of `elsewhere`.

    `whole`: it is the whole table. `followed`: with it, and with what was landed before it, landing has every change up
    to its state.
    """

    covers: Scope | None
    since: str = ""
    elsewhere: Scope | None = None
    whole: bool = False
    followed: bool = False
    moment: datetime | None = None
    state: State | None = None

    @property
    def what(self) -> str:
        """What it has, in words."""
        if self.whole:
            return "the whole table"
        return f"{self.covers}" if self.covers else f"what has changed since {self.since} outside {self.elsewhere}"

    def where(self, day: str) -> str:
        """The condition that its rows meet; `day` is the column of the dates. Half-open: SoQL's `between` is not."""
        if self.covers:
            return f"{day} >= '{self.covers.start}T00:00:00' and {day} < '{self.covers.end}T00:00:00'"
        changed = f":updated_at > '{self.since}'"
        if self.elsewhere is None:
            return changed
        others = f"{day} < '{self.elsewhere.start}T00:00:00' or {day} >= '{self.elsewhere.end}T00:00:00'"
        others += f" or {day} is null"  # no comparison holds for a record whose date was taken away
        return f"{changed} and ({others})"

    def key(self, dataset: str) -> str:
        """Where it is landed; its name says what it has and when it was extracted."""
        assert self.moment is not None
        what = "all" if self.whole else "changed"
        if self.covers and not self.whole:
            what = f"{self.covers.start}_{self.covers.end}"
        return f"{keys.landing(dataset)}{dataset}_{what}_asof_{self.moment:{MOMENT}}.csv"

    def metadata(self) -> dict[str, str]:
        """What the landed file declares."""
        assert self.moment is not None
        assert self.state is not None
        declared = {"extracted-at": self.moment.isoformat(), "source-newest": self.state.newest}
        declared |= {"changed-since": self.since} if self.since else {}
        if self.covers:
            declared |= {"covers-start": f"{self.covers.start}", "covers-end": f"{self.covers.end}"}
        return declared


def read_name(key: str, dataset: str) -> Extraction | None:
    """A landed file as what its name says it is; None for a name that is not of a fetched one."""
    found = NAME.fullmatch(key.removeprefix(keys.landing(dataset)))
    if not found or found["dataset"] != dataset:
        return None
    try:
        moment = datetime.strptime(found["moment"], MOMENT).replace(tzinfo=UTC)
        if found["start"]:
            return Extraction(Scope.parse(found["start"], found["end"]), moment=moment)
    except ValueError:  # no such day or hour, so the name is not one of ours
        return None
    whole = found["what"] == "all"
    return Extraction(EVERYTHING if whole else None, whole=whole, moment=moment)


def is_as_fetched(named: Extraction, source: Source) -> bool:
    """Whether a file declares what its name says. One that was copied without its metadata declares nothing, and only
    its modification time tells when it was extracted.
    """
    return (named.moment, named.covers) == (datetime.fromisoformat(source.extracted_at), source.covers)


def after(moment: datetime, other: datetime | None) -> datetime:
    """A time, or the next whole second after another one where that is later.

    An extraction is later than every earlier one, even if this machine's clock is behind that of another which made
    one, because its time decides which version of a record wins.
    """
    return moment if other is None else max(moment, (other + timedelta(seconds=1)).replace(microsecond=0))


def plan(
    scope: Scope,
    settings: Settings,
    earlier: Sequence[Extraction],
    now: State,
    moment: datetime,
    *,
    by_hand: datetime | None = None,
    follow: bool = False,
    full_refresh: bool = False,
) -> list[Extraction]:
    """What a run over `scope` asks for, in the order in which it is to be landed.

    `earlier` is what was fetched before (`journal.what_counts`), newest first; `by_hand` is the newest extraction time
    of other files in landing. `follow`: a scheduled run, which follows what has changed elsewhere and makes a full
    refresh when one is due; other runs keep to their dates. What landing already has of the same state of the source is
    not asked for again, unless something of another state was landed after it. A full refresh counts, whatever was
    landed by hand before it.
    """
    standing = list(takewhile(lambda one: one.state == now, earlier))
    made = replace(Extraction(None), moment=moment, state=now)
    due = follow and refresh_due(settings, earlier, now, moment)
    if full_refresh or due or scope.start is None:
        whole = replace(made, covers=EVERYTHING, whole=True, followed=True, moment=after(moment, by_hand))
        there = [one.moment for one in standing if one.whole and one.moment]
        return [] if there and (by_hand is None or there[0] > by_hand) else [whole]

    wanted: list[Extraction] = []
    last = next((one for one in earlier if one.followed), None)
    interval = covered(scope, settings.lookback_days, last if follow else None)
    has_interval = any(one.covers and contains(one.covers, with_records(interval, now, moment)) for one in standing)
    if follow and last and last.state and last.state.updated != now.updated:
        # Followed is what both have: the mark is on the file that is landed last.
        wanted.append(replace(made, since=last.state.updated, elsewhere=interval, followed=has_interval))
    if not has_interval:
        wanted.append(replace(made, covers=interval, followed=follow))
    return wanted


def refresh_due(settings: Settings, earlier: Sequence[Extraction], now: State, moment: datetime) -> bool:
    """Whether the last whole table is older than the settings allow, or there is none, or nothing since then counts as
    followed; or the table has grown so much since it was last followed that it cannot have been whole then, or has gone
    back since: rows came back as they were, and only a full refresh finds them.
    """
    if not settings.full_refresh_days:
        return False
    last = next((one.moment for one in earlier if one.whole and one.moment), None)
    mark = next((number for number, one in enumerate(earlier) if one.followed and one.state), None)
    if last is None or mark is None:
        return True
    since = [one.state for one in earlier[: mark + 1] if one.state]
    grown = republished(now.rows - since[-1].rows, since[-1], settings)
    came_back = any(goes_back(before, now) for before in since)
    return grown or came_back or moment - last >= timedelta(days=settings.full_refresh_days)


def goes_back(before: State, now: State) -> bool:
    """Whether a table has more rows but no newer `:updated_at`, or an older one."""
    return now.updated < before.updated or (now.updated == before.updated and now.rows > before.rows)


def covered(scope: Scope, lookback_days: int, last: Extraction | None) -> Scope:
    """The dates to ask for: the scope's and some before. Where the source had stood still when it was last followed,
    from its newest date of then on, so that what it adds at once when it moves again is covered too.
    """
    start = scope.start or EVERYTHING.start
    assert start is not None
    if last and last.state and last.state.newest_day:
        start = min(start, last.state.newest_day)
    if start > date(1000, 1, 1) + timedelta(days=lookback_days):
        start -= timedelta(days=lookback_days)
    return Scope(start, scope.end or EVERYTHING.end)


def months_before(scope: Scope, also: Iterable[str], lookback_days: int) -> set[str]:
    """The months of the days that are asked for before a run's dates, and before each stretch of its months `also`."""
    found: set[str] = set()
    for asked in (scope, *(whole_months([*stretch]) for stretch in stretches(also))):
        if asked.start:
            first, last = (month_code(f"{day}"[:7]) for day in (covered(asked, lookback_days, None).start, asked.start))
            found |= {month_name(code) for code in range(first, last)}
    return found


def with_records(scope: Scope, now: State, moment: datetime) -> Scope:
    """The dates of a scope up to the newest that the table has, if the later ones are none of the future, of which
    State.newest says nothing.
    """
    newest, end = now.newest_day, scope.end
    if newest is None or end is None or end > moment.date() + timedelta(days=1):
        return scope
    return Scope(scope.start, min(end, newest + timedelta(days=1)))


def contains(outer: Scope, inner: Scope) -> bool:
    """Whether every date of one scope is in the other; both have two ends."""
    assert outer.start and outer.end and inner.start and inner.end  # noqa: PT018
    return outer.start <= inner.start and inner.end <= outer.end


def replaces(later: Extraction, one: Extraction) -> bool:
    """Whether a later extraction has all dates of an earlier one; only a whole table has those of what had changed."""
    return later.whole or bool(later.covers and one.covers and contains(later.covers, one.covers))


def republished(changed: int, now: State, settings: Settings) -> bool:
    """Whether so many changes mean that the table was published anew; a page of them costs no more than one request."""
    return changed > max(now.rows * REPUBLISHED, settings.source_page_rows)
