"""As much of SoQL as the pipeline speaks: lists of columns, count and max, conditions, one order, a limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from socrata.table import SYSTEM, Row, Table

Condition = Callable[[Row], bool]
TOKEN = re.compile(r"\s*(?:(?P<word>[:\w]+)|(?P<sign><=|>=|!=|<|>|=|\(|\))|'(?P<text>(?:[^']|'')*)')")
CLAUSES = re.compile(
    r"\s*SELECT (?P<select>.+?)(?: WHERE (?P<where>.+?))?(?: ORDER BY (?P<order>.+?))?(?: LIMIT (?P<limit>\d+))?\s*"
)
SIGNS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    ">": lambda order: order > 0,
    "<=": lambda order: order <= 0,
    ">=": lambda order: order >= 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
}


class BadQuery(Exception):
    """A query that the API refuses."""


def clauses(query: str) -> dict[str, str]:
    """A query in one line → its clauses."""
    found = CLAUSES.fullmatch(query)
    if not found:
        raise BadQuery(f"Could not parse SoQL query {query!r}")
    return {name: text for name, text in found.groupdict().items() if text}


def answer(
    table: Table, select: str, where: str = "", order: str = "", limit: int = 1000
) -> tuple[list[str], list[Row]]:
    """The columns and rows of an answer."""
    rows = table.sorted_rows()
    if where:
        condition = Parser(table, where).parse()
        rows = [row for row in rows if condition(row)]
    names = [part.strip() for part in select.split(",")]
    if "(" in select:
        return _aggregate(table, names, rows)
    if order and order != ":id":
        rows.sort(key=lambda row: str(row[_known(table, order)]))
    if not order:
        rows.reverse()  # the API promises no order, so pages that ask for none find none
    columns = [*SYSTEM, *table.types] if names == [":*", "*"] else [_known(table, name) for name in names]
    return columns, [{name: row[name] for name in columns} for row in rows[:limit]]


def _aggregate(table: Table, names: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    made: Row = {}
    for name in names:
        found = re.fullmatch(r"(count|max)\((.+)\) as (\w+)", name)
        if not found:
            raise BadQuery(f"Could not parse SoQL query at {name!r}")
        function, column, alias = found.groups()
        if function == "count" and column.startswith("distinct "):
            values = {row[_known(table, column.removeprefix("distinct "))] for row in rows}
            made[alias] = str(len(values - {""}))
        elif function == "count":
            made[alias] = str(len(rows))
        else:
            made[alias] = max((row[_known(table, column)] for row in rows), default="")
    return list(made), [made]


def _known(table: Table, name: str) -> str:
    if name not in table.types and name not in SYSTEM:
        raise BadQuery(f"Query coordinator error: query.soql.no-such-column; No such column: {name}")
    return name


class Parser:
    """Conditions: comparisons of a column with a text, `is null`, `and`, `or`, parentheses."""

    def __init__(self, table: Table, text: str) -> None:
        self.table = table
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            if not found:
                raise BadQuery(f"Could not parse SoQL query at {text[at:]!r}")
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind]))
            at = found.end()
        self.at = 0

    def parse(self) -> Condition:
        """The whole condition."""
        condition = self._either()
        if self.at != len(self.tokens):
            raise BadQuery(f"Could not parse SoQL query at {self.tokens[self.at][1]!r}")
        return condition

    def _next(self, *wanted: str) -> str | None:
        if self.at < len(self.tokens) and (not wanted or self.tokens[self.at][1].lower() in wanted):
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def _either(self) -> Condition:
        left = self._both()
        while self._next("or"):
            left = _or(left, self._both())
        return left

    def _both(self) -> Condition:
        left = self._one()
        while self._next("and"):
            left = _and(left, self._one())
        return left

    def _one(self) -> Condition:
        if self._next("("):
            inner = self._either()
            if not self._next(")"):
                raise BadQuery("Could not parse SoQL query: a parenthesis is open")
            return inner
        name = _known(self.table, self._next() or "")
        if self._next("is") and self._next("null"):
            return lambda row: not row[name]
        sign, value = self._next(*SIGNS), self._next()
        if sign is None or value is None:
            raise BadQuery(f"Could not parse SoQL query after {name}")
        moment = name in {":created_at", ":updated_at"} or self.table.types.get(name) == "floating_timestamp"
        holds = SIGNS[sign]

        def condition(row: Row) -> bool:
            if not row[name]:
                return False
            ours, theirs = (_moment(row[name]), _moment(value)) if moment else (row[name], value)
            return holds((ours > theirs) - (ours < theirs))  # type: ignore[operator]

        return condition


def _or(left: Condition, right: Condition) -> Condition:
    return lambda row: left(row) or right(row)


def _and(left: Condition, right: Condition) -> Condition:
    return lambda row: left(row) and right(row)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
