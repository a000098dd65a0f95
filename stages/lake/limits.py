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
from stages.lake.tally import Blank, Excess, Tally, excesses
from stages.logs import log


class Judged(Protocol):
    """A dataset, as far as it is judged: why its rules leave values unknown, and what their reasons to reject mean."""

    @property
    def name(self) -> str: ...
    @property
    def blanks(self) -> Mapping[str, Blank]: ...
    @property
    def meanings(self) -> Mapping[str, str]: ...


def check_limits(job: Job, quarantined: int, rows: int, blanks: Mapping[str, Blank] = MappingProxyType({})) -> None:
    """Raise DataError if more rows were rejected, overall or of one landed file, or more of a file's values left
    unknown, than the settings allow; a file with few rows only gets a warning. What a chunk sees only in part is left
    to `check_spread`.
    """
    settings = job.run.settings
    problems = []
    whole = job.tally.without(job.spread)
    for excess in excesses(whole, settings.max_quarantine_ratio, settings.max_unknown_ratio, blanks):
        if excess.few:
            log.warning("%s: %s", job.what, describe(job, excess, blanks))
        else:
            problems.append(describe(job, excess, blanks))
    if rows and not job.partial and quarantined / rows > settings.max_quarantine_ratio:
        worst = ", ".join(f"{rule} {count}" for rule, count in job.rules.most_common(5))
        problems.insert(0, f"{quarantined} of {rows} rows quarantined ({quarantined / rows:.1%}; {worst})")
    if problems:
        raise DataError(
            f"{job.what}: {'; '.join(problems)}. That is more than COLLISIONS_MAX_QUARANTINE_RATIO="
            f"{settings.max_quarantine_ratio:g} of the rows or COLLISIONS_MAX_UNKNOWN_RATIO="
            f"{settings.max_unknown_ratio:g} of a column's values; nothing is published. Fix the file and"
            f" land it again, or raise the limit; rejected rows are in"
            f" {job.store.describe(keys.quarantined(job.stage, job.dataset))}"
        )


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
    check_limits(whole, whole.promised["quarantined"], whole.promised["rows_in"], dataset.blanks)


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
