"""What a dataset is: one description, from which come the reader, the casts, the schemas, the sample's headers and the
data dictionary.
"""

from __future__ import annotations

import datetime
import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stages.errors import StageError
from stages.lake.sources import PROVENANCE, RAW_FORMAT
from stages.lake.tally import Blank

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from stages.datasets.menus import Menu


def respelled(name: str) -> str:
    """What programs make of a published column name: lower case, with `_` for blanks, dots and the like."""
    return re.sub(r"[\W_]+", "_", name).strip("_").casefold()


@dataclass(frozen=True)
class Column:
    """One column: its name and type from the clean layer on, and what each published form calls it.

    A column without headers is derived. One that is `raw_only` stays in the raw layer, and a landed file may lack it.
    `repeats` says whether its values repeat enough to be worth a dictionary. `legal` are words that count as missing
    elsewhere and are values here. `menu` has the standard names that a curated column may have.
    """

    name: str
    type: pa.DataType
    doc: str
    headers: Mapping[str, str] = field(default_factory=dict)
    raw_only: bool = False
    repeats: bool = True
    legal: frozenset[str] = frozenset()
    menu: Menu | None = None


# The columns that say where a row came from, in the clean layer and in each dataset's first curated table.
PROVENANCE_COLUMNS = (
    Column("source", pa.string(), "landed file (its name, made safe for a key) that the row is from"),
    Column("source_line", pa.int32(), "physical line in that file, from 1", repeats=False),
    Column(
        "extracted_at",
        pa.timestamp("us", "UTC"),
        "extraction time of that file; the newest version of a record wins",
    ),
)


# The clean layer also says where its month first had a record.
FIRST_SEEN_COLUMNS = (
    Column("first_source", pa.string(), "landed file in which this month first had the record"),
    Column("first_extracted_at", pa.timestamp("us", "UTC"), "extraction time of that file"),
)


@dataclass(frozen=True)
class Verdict:
    """What a rule says about some rows, as new values: the rows themselves stay as they are.

    `columns` replace those of the same name; `rejected` marks, by reason, the rows to reject; `unknown` marks, by
    reason, the rows whose stated value `columns` leaves unknown.
    """

    columns: Mapping[str, pd.Series] = field(default_factory=dict)
    rejected: Mapping[str, np.ndarray] = field(default_factory=dict)
    unknown: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """A pure function from rows to a Verdict, with the reasons it may give and what each means."""

    judge: Callable[[pd.DataFrame], Verdict]
    rejects: Mapping[str, str]
    blanks: Mapping[str, Blank]

    def __call__(self, rows: pd.DataFrame) -> Verdict:
        """Judge the rows; raises StageError where the rule gives a reason that it has not declared."""
        verdict = self.judge(rows)
        undeclared = (verdict.rejected.keys() - self.rejects.keys()) | (verdict.unknown.keys() - self.blanks.keys())
        if undeclared:
            raise StageError(f"rule {self.judge.__name__}: undeclared reasons: {', '.join(sorted(undeclared))}")
        return verdict


def rule(
    *, rejects: Mapping[str, str] | None = None, blanks: Mapping[str, Blank] | None = None
) -> Callable[[Callable[[pd.DataFrame], Verdict]], Rule]:
    """Make a Rule of a function: by reason, which rows it `rejects` and which values it `blanks`."""
    return lambda judge: Rule(judge, rejects or {}, blanks or {})


@dataclass(frozen=True)
class Table:
    """One table of the curated layer; every partition written has exactly these columns.

    A dataset's tables all carry its key and date, and the first also where each row came from.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The columns as they are written."""
        return pa.schema([(column.name, column.type) for column in self.columns])


@dataclass(frozen=True)
class Api:
    """Where the publisher's API has a dataset: `id` is its four-by-four, `form` the published form of its rows."""

    id: str
    form: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """One published dataset. Its folder has, beside this entry:

    rules.py      ROW_RULES, which need every version of a record (keys, dates, what makes a row worthless), and
                  VALUE_RULES, which look at the newest versions alone
    curation.py   `curate(rows) -> {table: rows}`, of clean rows that carry `month` (a lake.scope.month_code)
    sample.py     what scripts/sample makes of it

    `key` is a whole number or text, one per record. `parse_date` reads `date` in every published form. Raise `version`
    whenever the same landed rows give other rows than before: what older rules made is then remade.

    `date_patterns` (form → regular expression) tell the forms apart that name columns crosswise. One without `api`
    is landed by hand only.
    """

    name: str
    title: str
    package: str
    version: int
    key: str
    date: str
    parse_date: Callable[[str | None], datetime.date | None]
    columns: tuple[Column, ...]
    tables: tuple[Table, ...]
    sql: Path | None = None  # a folder with models/ and checks/ of the dataset's own
    date_patterns: Mapping[str, str] = field(default_factory=dict)
    api: Api | None = None

    def __post_init__(self) -> None:
        """Check what the stages rely on."""
        names = [column.name for column in self.columns]
        wanted = {self.key, self.date}
        problems = [f"columns lack {name}" for name in wanted - set(names)]
        problems += [f"column {name} is declared twice" for name in {name for name in names if names.count(name) > 1}]
        problems += [
            f"table {table.name} lacks {name}"
            for number, table in enumerate(self.tables)
            for name in (wanted if number else wanted | set(PROVENANCE.values())) - set(table.schema.names)
        ]
        problems += [
            f"form {form} names columns as {other} names others, so date_patterns must tell the two apart"
            for form in self.forms
            for other in self.forms
            if self.crossed(form, other) and form not in self.date_patterns
        ]
        if self.api and self.api.form not in self.forms:
            problems.append(f"the API's form is {self.api.form}, which no column names")
        if problems or not self.tables:
            raise StageError(f"dataset {self.name}: {'; '.join(sorted(problems)) or 'no tables'}")

    # --- published forms ---

    @cached_property
    def forms(self) -> dict[str, dict[str, str]]:
        """Published form → its column names → ours, in the file's order."""
        names = dict.fromkeys(form for column in self.columns for form in column.headers)
        return {
            form: {column.headers[form]: column.name for column in self.columns if form in column.headers}
            for form in names
        }

    def matched(self, header: Iterable[str], form: str) -> dict[str, str]:
        """Which names of a header stand for which of a form's: as published, or else as programs respell them."""
        names = self.forms[form]
        found = {name: name for name in header if name in names}
        others = {respelled(name): name for name in names.keys() - found.keys()}
        return found | {
            name: others[respelled(name)] for name in header if name not in found and respelled(name) in others
        }

    def form_of(self, header: Sequence[str]) -> str | None:
        """The published form that a header has most columns of, or None where it has none of any.

        Forms share most of their names, so those that only one has decide; between equals, names spelled as published.
        """

        def likeness(form: str) -> tuple[int, int]:
            matched = self.matched(header, form)
            return len(set(matched.values())), sum(name == published for name, published in matched.items())

        form = max(self.forms, key=likeness)
        return form if likeness(form)[0] else None

    def crossed(self, form: str, other: str) -> list[str]:
        """A form's names, in the file's order, that in another form are those of other columns, once respelled."""
        theirs = {respelled(name): ours for name, ours in self.forms[other].items()}
        return [name for name, ours in self.forms[form].items() if theirs.get(respelled(name), ours) != ours]

    def published(self, name: str, form: str) -> str:
        """What a form calls one of our columns."""
        return next(column.headers[form] for column in self.columns if column.name == name)

    def kept(self, form: str) -> dict[str, str]:
        """A form's column names → ours, without those that stay in the raw layer."""
        raw_only = {column.name for column in self.columns if column.raw_only}
        return {name: ours for name, ours in self.forms[form].items() if ours not in raw_only}

    # --- layers ---

    @property
    def schema(self) -> pa.Schema:
        """The clean layer's columns."""
        return pa.schema([(it.name, it.type) for it in (*self.kept_columns, *PROVENANCE_COLUMNS, *FIRST_SEEN_COLUMNS)])

    @property
    def kept_columns(self) -> list[Column]:
        """The columns as published that go beyond the raw layer."""
        return [column for column in self.columns if not column.raw_only]

    @property
    def history(self) -> str:
        """The name of the clean layer's table of earlier versions."""
        return f"{self.name}_history"

    @property
    def history_schema(self) -> pa.Schema:
        """The columns of that table."""
        columns = [(column.name, column.type) for column in (*self.kept_columns, *PROVENANCE_COLUMNS)]
        return pa.schema([*columns, ("is_new", pa.bool_())])

    @cached_property
    def unrepeated(self) -> frozenset[str]:
        """Every name, ours or published, of columns whose values hardly repeat."""
        columns = [column for table in self.tables for column in table.columns]
        names = [
            name for column in (*self.columns, *columns) if not column.repeats
            for name in (column.name, *column.headers.values())
        ]  # fmt: skip
        return frozenset(names)

    @cached_property
    def made_by(self) -> str:
        """The version of the code that makes its layers; other columns make another version by themselves."""
        shape = [self.schema.to_string(), *(f"{table.name} {table.schema.to_string()}" for table in self.tables)]
        return f"{RAW_FORMAT}.{self.version}.{sha256('|'.join(shape).encode()).hexdigest()[:8]}"

    # --- what its folder holds; read when it is needed, because not every stage needs pandas ---

    def _module(self, name: str) -> Any:
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def row_rules(self) -> tuple[Rule, ...]:
        """The rules that see every version of a record."""
        found: tuple[Rule, ...] = self._module("rules").ROW_RULES
        return found

    @property
    def value_rules(self) -> tuple[Rule, ...]:
        """The rules that see the newest versions."""
        found: tuple[Rule, ...] = self._module("rules").VALUE_RULES
        return found

    @cached_property
    def blanks(self) -> dict[str, Blank]:
        """Every reason of its rules to leave a value unknown."""
        return {reason: blank for rule in (*self.row_rules, *self.value_rules) for reason, blank in rule.blanks.items()}

    @property
    def meanings(self) -> dict[str, str]:
        """Every reason of its rules to reject a row → what that means."""
        return {reason: meaning for rule in self.row_rules for reason, meaning in rule.rejects.items()}

    @property
    def curate(self) -> Callable[[pd.DataFrame], Mapping[str, pd.DataFrame]]:
        """Clean rows → the curated tables' rows, by table."""
        found: Callable[[pd.DataFrame], Mapping[str, pd.DataFrame]] = self._module("curation").curate
        return found

    @property
    def sample(self) -> Any:
        """What scripts/sample makes of it: the folder's sample module."""
        return self._module("sample")
