"""The SQL files as they describe themselves: models with their grain and columns, checks with their severity.

A model is `models/{staging,monthly,facts,dims,views,meta}/<relation>.sql`; its first line states its grain, and each
column of a published relation has its meaning behind it, as a comment. `models/steps/<relation>.sql` is what bringing
that relation up to date takes beyond its own SQL (stages/warehouse/steps.py). A check is `checks/<name>.sql`; its head
says what must hold, of which table, and how severe a failure is; its query returns the rows that break it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import duckdb

from stages.errors import StageError

OWN = Path(__file__).parent
# Staging relations are temporary; monthly ones are in the published file for the next build, in the schema KEPT.
KINDS = ("staging", "monthly", "facts", "dims", "views", "meta")
KEPT = "kept"
SEVERITIES = ("error", "warning")
_COLUMN = re.compile(r"^ {4}(?:.* as )?([a-z_]\w*)(?: [a-z]+)?,? -- (.+)$")
_FROM = re.compile(r'\b(?:from|join)\s+((?:"?\w+"?(?:\s+(?:as\s+)?\w+)?\s*,\s*)*"?[a-z_]\w*)', re.IGNORECASE)
_NOT_CODE = re.compile(r"--.*?$|/\*.*?\*/|'(?:[^']|'')*'", re.MULTILINE | re.DOTALL)
_RELATION = re.compile(r'^\s*create (temp )?(?:table|view) "?([a-z_]\w*)', re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Model:
    """One relation of the warehouse: its SQL, its grain, its columns' meanings, the relations that it reads.

    `step` is the SQL of its file in models/steps, if it has one; `whole`: it is always built from all months.
    """

    name: str
    kind: str
    path: Path
    sql: str
    grain: str
    columns: dict[str, str]
    refers_to: frozenset[str]
    step: str = ""
    whole: bool = False

    @property
    def internal(self) -> bool:
        """Whether it is no part of what is published to be read."""
        return self.kind in {"staging", "monthly"}


@dataclass(frozen=True)
class Check:
    """One check: what must hold of which table, and the query for the rows that break it."""

    name: str
    path: Path
    title: str
    table: str
    severity: str
    sql: str
    refers_to: frozenset[str]


def _files(folder: Path, pattern: str) -> list[Path]:
    """The SQL files that match; raises StageError where the folder holds a file that nothing would read."""
    found = sorted(folder.glob(pattern))
    strays = sorted(
        path for path in folder.rglob("*") if path.is_file() and path not in found and not path.name.startswith(".")
    )
    if strays:
        raise StageError(f"{strays[0]}: nothing reads this file; expected {folder}/{pattern}")
    return found


def models(folders: Iterable[Path]) -> list[Model]:
    """The models of these folders, each after those that it refers to.

    Raises StageError where a file is malformed, two make the same relation, or models refer to one another in a cycle.
    """
    found: dict[str, Model] = {}
    for folder in folders:
        paths = _files(folder / "models", "*/*.sql")
        steps = {path.stem: path for path in paths if path.parent.name == "steps"}
        for path in paths:
            if path.parent.name == "steps":
                continue
            model = _model(path, steps.pop(path.stem, None))
            if model.name in found:
                raise StageError(f"{path}: {found[model.name].path} already makes {model.name}")
            found[model.name] = model
        if steps:
            raise StageError(f"{min(steps.values())}: there is no model of this name beside it")
    graph = {name: sorted(model.refers_to & found.keys()) for name, model in found.items()}
    try:
        return [found[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise StageError(f"{found[error.args[1][0]].path}: models refer to one another in a cycle: {circle}") from None


def _model(path: Path, step: Path | None) -> Model:
    sql = path.read_text()
    first = sql.partition("\n")[0]
    kind = path.parent.name
    if not first.startswith("-- Grain: "):
        raise StageError(f"{path}: the first line must state the grain: -- Grain: one row per …")
    if kind not in KINDS:
        raise StageError(f"{path}: expected in one of the folders {', '.join(KINDS)}")
    columns = {found[1]: found[2] for line in sql.splitlines() if (found := _COLUMN.match(line))}
    code = _NOT_CODE.sub("", sql)
    made = _RELATION.search(code)
    if not made or made[2].lower() != path.stem:
        raise StageError(f"{path}: must create {path.stem}, as its name says")
    if bool(made[1]) != (kind == "staging"):
        raise StageError(f"{path}: relations in staging must be temporary, all others must not")
    return Model(
        *(path.stem, kind, path, sql, first.removeprefix("-- Grain: "), columns, _references(code) - {path.stem}),
        step=step.read_text() if step else "",
        whole=bool(re.search(r"^-- Built: whole$", sql, re.MULTILINE)),
    )


def _references(code: str) -> frozenset[str]:
    """The relations that SQL without comments and texts reads."""
    within = set(re.findall(r"^\)?,?(?:with )?([a-z_]\w*) as \(", code, re.MULTILINE))
    named = (name for names in _FROM.findall(code) for name in names.lower().split(","))
    return frozenset(name.split()[0].strip('"') for name in named) - within


def checks(folders: Iterable[Path]) -> list[Check]:
    """The checks of these folders; raises StageError where a file is malformed or two have the same name."""
    found: dict[str, Check] = {}
    for folder in folders:
        if not (folder / "checks").is_dir():
            continue
        for path in _files(folder / "checks", "*.sql"):
            if path.stem in found:
                raise StageError(f"{path}: {found[path.stem].path} has the same name")
            found[path.stem] = _check(path)
    return list(found.values())


def _check(path: Path) -> Check:
    sql = path.read_text()
    comments = "".join(takewhile(lambda line: line.startswith("--"), sql.splitlines(keepends=True)))
    head = dict(re.findall(r"^-- (Check|Table|Severity): (.+)$", comments, re.MULTILINE))
    missing = [name for name in ("Check", "Table", "Severity") if name not in head]
    if missing:
        raise StageError(f"{path}: the head lacks {', '.join(f'-- {name}: …' for name in missing)}")
    if head["Severity"] not in SEVERITIES:
        raise StageError(f"{path}: severity {head['Severity']!r} is neither {' nor '.join(SEVERITIES)}")
    try:
        queries = len(duckdb.extract_statements(sql))
    except duckdb.ParserException as error:
        raise StageError(f"{path}: its SQL fails: {error}") from None
    if queries != 1:
        raise StageError(f"{path}: expected one query that returns the failing rows, found {queries}")
    references = _references(_NOT_CODE.sub("", sql))
    return Check(path.stem, path, head["Check"], head["Table"], head["Severity"], sql, references)
