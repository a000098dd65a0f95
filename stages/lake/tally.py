"""What a stage did with each landed file's rows and values, and how many of them may be bad."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

EXAMPLES = 3  # of each rule and file
ROW = ""  # in place of a column: the whole row
FEWEST_ROWS, FEWEST_VALUES = 20, 100  # a share of fewer says little


def cut(text: str, length: int) -> str:
    """A text that is not longer; what is cut off leaves a sign.

    >>> cut("12345", 4)
    '123…'
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


@dataclass(frozen=True)
class Blank:
    """The values of `column` that a rule leaves unknown: all but the `expected`.

    `limit` is the share of a file's stated values that may be unknown; None means that of the settings.
    """

    column: str
    expected: str
    limit: float | None = None


@dataclass
class Tally:
    """Counts by landed file (its name as a source): `of` rows or stated values of a column, `marked` by rule, with
    examples of these.
    """

    of: Counter[tuple[str, str]] = field(default_factory=Counter)
    marked: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add the counts of another part of the same files."""
        self.of.update(other.of)
        self.marked.update(other.marked)
        for key, texts in other.examples.items():
            self.examples[key] = (self.examples.get(key, []) + texts)[:EXAMPLES]

    def only(self, sources: Collection[str]) -> Tally:
        """The counts of some files."""
        return Tally(
            Counter({key: count for key, count in self.of.items() if key[0] in sources}),
            Counter({key: count for key, count in self.marked.items() if key[0] in sources}),
            {key: texts for key, texts in self.examples.items() if key[0] in sources},
        )

    def without(self, sources: Collection[str]) -> Tally:
        """The counts of all files but some."""
        return self.only({source for source, *_ in (*self.of, *self.marked)} - set(sources))

    def record(self) -> dict[str, list[list[Any]]]:
        """All of it as JSON takes it."""
        return {name: [[*key, value] for key, value in sorted(counts.items())] for name, counts in vars(self).items()}

    @classmethod
    def of_record(cls, record: Mapping[str, list[list[Any]]]) -> Tally:
        """The reverse of `record`."""
        return cls(
            Counter({(source, column): count for source, column, count in record["of"]}),
            Counter({(source, column, rule): count for source, column, rule, count in record["marked"]}),
            {(source, column, rule): texts for source, column, rule, texts in record["examples"]},
        )

    def rows(self) -> list[dict[str, Any]]:
        """What was marked, as records of source, column (None: the whole row), rule and rows."""
        return [
            {"source": source, "column": column or None, "rule": rule, "rows": count}
            for (source, column, rule), count in sorted(self.marked.items())
        ]


@dataclass(frozen=True)
class Sources:
    """The landed file of each row: a number for each row, and the files' names by these numbers."""

    codes: np.ndarray
    names: list[str]

    def count(self, marks: np.ndarray | None = None) -> dict[str, int]:
        """How many rows of each file there are, or are marked; files without any are left out."""
        codes = self.codes if marks is None else self.codes[marks]
        counts = np.bincount(codes, minlength=len(self.names))
        return {name: int(count) for name, count in zip(self.names, counts, strict=True) if count}

    def first(self, marks: np.ndarray) -> dict[str, list[int]]:
        """The first few marked rows of each file."""
        found: dict[str, list[int]] = defaultdict(list)
        at = np.flatnonzero(marks)
        codes = self.codes[at]
        for code in np.unique(codes):
            found[self.names[code]] = at[codes == code][:EXAMPLES].tolist()
        return found

    def mark(
        self, tally: Tally, column: str, rule: str, marks: np.ndarray, example: Callable[[int], str] | None = None
    ) -> None:
        """Count the marked rows into a tally, with an `example` of the first few of each file."""
        if not marks.any():
            return
        for source, count in self.count(marks).items():
            tally.marked[source, column, rule] += count
        if example:
            for source, rows in self.first(marks).items():
                tally.examples[source, column, rule] = [example(row) for row in rows]


@dataclass(frozen=True)
class Excess:
    """More of a file's rows, or of its values of a column, went wrong than the limit allows."""

    source: str
    column: str
    count: int
    of: int
    limit: float
    rules: dict[str, int]
    examples: list[str]

    @property
    def few(self) -> bool:
        """Whether there are too few of them for a share to say much."""
        return self.of < (FEWEST_VALUES if self.column else FEWEST_ROWS)


def excesses(
    tally: Tally, quarantine_limit: float, unknown_limit: float, blanks: Mapping[str, Blank]
) -> Iterator[Excess]:
    """The files' rows and columns that break a limit. Rules that have a limit of their own are judged separately."""
    groups: dict[tuple[str, str, float], dict[str, int]] = defaultdict(dict)
    for (source, column, rule), count in tally.marked.items():
        if column == ROW:
            groups[source, column, quarantine_limit][rule] = count
        elif rule in blanks:
            limit = blanks[rule].limit
            groups[source, column, unknown_limit if limit is None else limit][rule] = count
    for (source, column, limit), rules in sorted(groups.items()):
        count, of = sum(rules.values()), tally.of[source, column]
        if count > limit * of:
            ranked = dict(sorted(rules.items(), key=lambda item: (-item[1], item[0])))
            shown = [text for rule in ranked for text in tally.examples.get((source, column, rule), [])]
            yield Excess(source, column, count, of, limit, ranked, shown[:EXAMPLES])
