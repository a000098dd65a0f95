"""How much of what is landed may go wrong before a run fails.

A limit holds for a landed file, whatever chunks its rows are in: a chunk judges the files that it sees whole. The
others are judged as soon as every chunk has finished, before the next stage begins, and once more before anything is
published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from stages.errors import DataError
from stages.lake import keys
from stages.lake.job import Job, Run
from stages.lake.sources import load_sources
from stages.lake.tally import ROW, Blank, Excess, Tally, excesses
from stages.logs import log


class Judged(Protocol):
    """A dataset, as far as it is judged: why its rules leave values unknown, and what their reasons to reject mean."""

    @property
    def name(self) -> str: ...
    @property
    def blanks(self) -> Mapping[str, Blank]: ...
    @property
    def meanings(self) -> Mapping[str, str]: ...


def check_limits(
    job: Job, rejected: Mapping[str, int], rows: int, blanks: Mapping[str, Blank] = MappingProxyType({})
) -> None:
    """Raise DataError if more of the rows were `rejected` (counts by reason), overall or of one landed file, or more of
    a file's values left unknown, than the settings allow; a file with few rows only gets a warning. What a chunk sees
    only in part is left to `check_spread`.
    """
    settings = job.run.settings
    found = []
    whole = job.tally.without(job.spread)
    for excess in excesses(whole, settings.max_quarantine_ratio, settings.max_unknown_ratio, blanks):
        if excess.few:
            log.warning("%s: %s", job.what, describe(job, excess, blanks))
        else:
            found.append(excess)
    problems = [describe(job, excess, blanks) for excess in found]
    limits = [limit_of(job, excess) for excess in found]
    count = sum(rejected.values())
    all_in_one = any((excess.column, excess.count, excess.of) == (ROW, count, rows) for excess in found)
    if count > settings.max_quarantine_ratio * rows and not job.partial and not all_in_one:
        worst = ", ".join(f"{rule} {number:,}" for rule, number in Counter(rejected).most_common(5))
        problems.insert(0, f"{count:,} of {rows:,} rows quarantined ({worst})")
        limits.insert(0, limit_of_rows(job))
    if problems:
        raise DataError(
            f"{job.what}: {'; '.join(problems)}. That is more than {' or '.join(dict.fromkeys(limits))}; nothing is"
            f" published. Fix the file and land it again, or raise the limit; rejected rows are in"
            f" {job.store.describe(keys.quarantined(job.stage, job.dataset))}"
        )


def limit_of_rows(job: Job) -> str:
    """How many rows may be rejected, in words."""
    return f"COLLISIONS_MAX_QUARANTINE_RATIO={job.run.settings.max_quarantine_ratio:g} of the rows"


def limit_of(job: Job, excess: Excess) -> str:
    """The limit that is exceeded, in words."""
    if not excess.column:
        return limit_of_rows(job)
    if excess.limit == job.run.settings.max_unknown_ratio:
        return f"COLLISIONS_MAX_UNKNOWN_RATIO={excess.limit:g} of a column's values"
    return f"{excess.limit:g} of a column's values, which is the limit of {', '.join(excess.rules)}"


def rejections(job: Job) -> dict[str, int]:
    """How many rows a job's rules have rejected, by reason; they count other things as well."""
    return {rule: count for rule, count in job.rules.items() if rule in job.meanings}


def check_spread(run: Run, stage: str, dataset: Judged) -> None:
    """Judge a stage's whole work on a dataset, where its chunks saw only parts of it; raises DataError.

    Only then are the dataset's rules read, and pandas with them.
    """
    whole = Job(run, stage, dataset.name)
    whole.follow(stage)
    if not whole.promised.get("partial"):
        return
    whole.files = {source.name: source.key for source in load_sources(run.store, dataset.name)[0].values()}
    whole.meanings = dataset.meanings
    whole.rules = Counter(whole.promised["rules"])
    for part in whole.promised["unjudged"]:
        whole.tally.add(Tally.of_record(part))
    check_limits(whole, rejections(whole), whole.promised["rows_in"], dataset.blanks)


def describe(job: Job, excess: Excess, blanks: Mapping[str, Blank]) -> str:
    """What is wrong with a landed file, in words."""
    file = job.files.get(excess.source, excess.source)
    rules = ", ".join(
        f"{rule} {count:,}{f': {job.meanings[rule]}' if rule in job.meanings else ''}"
        for rule, count in excess.rules.items()
    )
    found = f"{file}: {excess.count:,} of {excess.of:,}"
    examples = f", e.g. {'; '.join(excess.examples)}" if excess.examples else ""
    if not excess.column:
        return f"{found} rows quarantined ({rules}){examples}"
    expected = " or ".join(blanks[rule].expected for rule in excess.rules)
    return f"{found} values of {excess.column} cannot be read ({rules}){examples}; expected: {expected}"
