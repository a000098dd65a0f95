"""Reads a landed CSV's first lines: which published form it has, and how it is written.

Programs that a file went through respell its column names, choose another separator or line end, and add a line or
empty columns. None of that changes what a column means, but for one thing: two forms may name columns crosswise, and
then a header counts as a form's only where nothing else in the file speaks for the other.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from stages.datasets import registry
from stages.datasets.dataset import Dataset, respelled
from stages.errors import SourceError
from stages.lake import keys
from stages.lake.sources import PROVENANCE

HEAD_BYTES = 1 << 18  # as much of a file as is looked at
HEAD_LINES = 1000
LIKELY_SHARE = 0.3  # of a dataset's columns, from which on a header is taken for one of it
LIKENESS = 0.75  # of two names, from which on one is taken for the other mistyped
MOST_SHOWN, LONGEST_SHOWN = 10, 60  # of unknown names, and of each
TO_UTF_8 = "save it as CSV UTF-8, or convert it ({}), and land it again"
FROM_UTF_16 = TO_UTF_8.format("iconv -f UTF-16 -t UTF-8")
FROM_UNKNOWN = TO_UTF_8.format("iconv -f WINDOWS-1252 -t UTF-8, if that is its encoding")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
SYSTEM = ":"  # how the names of the API's own columns begin (:id, :updated_at), which the raw layer alone has
SEPARATOR_LINE = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=[^"]?"?[,;\t]*\s*', re.IGNORECASE)  # Excel's own
UTF_16 = "UTF-16 text"
OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip",
    b"PAR1": "parquet",
    b"%PDF": "a PDF",
    b"\xff\xfe": UTF_16,
    b"\xfe\xff": UTF_16,
    b"<": "HTML or XML, perhaps an error page",
    b"{": "JSON, perhaps an error message",
    b"[": "JSON",
}


@dataclass(frozen=True)
class Header:
    """A file's columns, and how and where its rows are written.

    `columns` have the names of the published form; one without a name is called by its number. `unknown` are those that
    the form does not have, `empty` those at the end that have no name and must have no values, `coded` those whose
    values repeat. The rows begin at byte `offset`, in the line after `line`. No value of the column `date` may be
    written as in the `rival` form (its name and pattern), if there is one: it has the same names for other columns.
    `found` says in words what was found.
    """

    columns: list[str]
    form: str
    unknown: list[str]
    coded: frozenset[str]
    offset: int
    line: int = 1
    separator: str = ","
    carriage_returns: bool = False
    empty: tuple[str, ...] = ()
    date: str = ""
    rival: tuple[str, str] | None = None
    found: str = ""

    def type_of(self, column: str) -> pa.DataType:
        """How a column's text is held in memory."""
        return pa.dictionary(pa.int32(), pa.string()) if column in self.coded else pa.string()


def read_header(source: str, content: io.BufferedIOBase, dataset: Dataset) -> Header:
    """Read and check a file's first lines; raises SourceError where it is empty, no CSV, or not of the dataset."""
    head = content.read(HEAD_BYTES)
    _refuse_other_formats(source, head)
    carriage_returns = bool(re.match(rb"[^\r\n]*\r(?!\n)", head))
    lines = head.splitlines(keepends=True) if carriage_returns else io.BytesIO(head).readlines()
    separator_line = SEPARATOR_LINE.fullmatch(lines[0]) is not None and len(lines) > 1
    number = 2 if separator_line else 1
    separator, fields = _split(source, number, lines[number - 1])
    below = [line.decode(errors="replace") for line in lines[number:HEAD_LINES]]

    form = dataset.form_of(fields)
    matched = dataset.matched(fields, form) if form else {}
    missing = [name for name in dataset.kept(form) if name not in matched.values()] if form else []
    if form is None or missing:
        raise SourceError(source, number, _why_no_header(fields, form, missing, dataset, number=number, below=below))
    columns = [matched.get(name, name) for name in fields]
    twice = sorted({found for found, name in zip(fields, columns, strict=True) if columns.count(name) > 1})
    if twice:
        raise SourceError(source, number, f"duplicate columns: {', '.join(twice)}")
    ours = sorted(PROVENANCE.keys() & set(columns))
    if ours:
        raise SourceError(
            source, number, f"columns have names that the raw layer uses itself: {', '.join(ours)}; rename them"
        )
    rival = _rival(form, columns, matched, dataset)
    doubt = _doubt(form, rival, columns, dataset, below=below, separator=separator) if rival else ""
    if doubt:
        raise SourceError(source, number, doubt)

    empty = _empty(columns)
    odd = {
        "columns respelled": any(name != published for name, published in matched.items()),
        f"separated by {SEPARATORS[separator]}": separator != ",",
        "Excel's sep= line above": separator_line,
        "lines ending in CR": carriage_returns,
        f"{len(empty)} empty column{'s' if empty[1:] else ''} left out": empty,
        "gzip": isinstance(content, gzip.GzipFile),
    }
    return Header(
        columns=columns,
        form=form,
        unknown=[
            name
            for name in columns
            if name not in dataset.forms[form] and name not in empty and not name.startswith(SYSTEM)
        ],
        coded=frozenset(columns) - dataset.unrepeated,
        offset=sum(map(len, lines[:number])),
        line=number,
        separator=separator,
        carriage_returns=carriage_returns,
        empty=empty,
        date=dataset.published(dataset.date, form),
        rival=(rival, dataset.date_patterns[rival]) if rival else None,
        found=", ".join([form, *(text for text, is_so in odd.items() if is_so)]),
    )


def dataset_of(fields: Sequence[str], datasets: Iterable[Dataset]) -> Dataset | None:
    """Whose header it is: the dataset of whose columns it has the largest share; None where that is small, or several
    have the same.
    """
    shares: dict[Dataset, float] = {}
    for dataset in datasets:
        if form := dataset.form_of(fields):
            shares[dataset] = len(set(dataset.matched(fields, form).values())) / len(dataset.forms[form])
    best = [dataset for dataset, share in shares.items() if share == max(shares.values()) and share >= LIKELY_SHARE]
    return best[0] if len(best) == 1 else None


def shortened(fields: Sequence[str]) -> str:
    """The beginning of a header, for a message."""
    return f"{', '.join(fields[:5])[:120]} …"


def read_fields(source: str, content: io.BufferedIOBase) -> list[str]:
    """The names in a file's header, as they are written there; raises SourceError where it is no CSV."""
    lines = content.read(HEAD_BYTES).splitlines(keepends=True)
    _refuse_other_formats(source, b"".join(lines[:1]))
    number = 2 if SEPARATOR_LINE.fullmatch(lines[0]) and len(lines) > 1 else 1
    return _split(source, number, lines[number - 1])[1]


def _refuse_other_formats(source: str, head: bytes) -> None:
    if not head:
        raise SourceError(source, None, "the file is empty")
    for magic, what in OTHER_FORMATS.items():
        if head.startswith(magic):
            remedy = FROM_UTF_16 if what is UTF_16 else "land the CSV as published"
            raise SourceError(source, None, f"is not CSV: it looks like {what}; {remedy}")
    if b"\0" in head.partition(b"\n")[0]:
        raise SourceError(source, 1, "is not CSV: it contains NUL bytes")


def _split(source: str, number: int, line: bytes) -> tuple[str, list[str]]:
    """The header's separator, which is the one that makes most columns of it, and its names."""
    try:
        text = line.decode("utf-8-sig")
        split = {sign: next(csv.reader([text], delimiter=sign)) for sign in SEPARATORS}
    except UnicodeDecodeError:
        raise SourceError(source, number, f"is not UTF-8 text; {FROM_UNKNOWN}") from None
    except csv.Error as error:
        raise SourceError(source, number, f"is not CSV: {error}") from None
    separator = max(SEPARATORS, key=lambda sign: len(split[sign]))
    return separator, [name.strip() or _unnamed(at) for at, name in enumerate(split[separator], 1)]


def _unnamed(number: int) -> str:
    return f"column {number}"


def _empty(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns without a name at the end, as spreadsheets leave them."""
    named = max((at for at, name in enumerate(columns, 1) if name != _unnamed(at)), default=0)
    return tuple(columns[named:])


def _why_no_header(
    fields: Sequence[str],
    form: str | None,
    missing: Sequence[str],
    dataset: Dataset,
    *,
    number: int,
    below: Sequence[str],
) -> str:
    """Why the line is not the header of a dataset's file, as far as that can be told."""
    for at, line in enumerate(below[:20], number + 1):
        names = re.split("|".join(SEPARATORS), line)
        known = dataset.form_of(names)
        if known and dataset.kept(known).keys() <= set(dataset.matched(names, known).values()):
            return f"is not the header, which is line {at}; delete everything above it"
    if not fields:
        return "no header in the first line"
    seen = shortened(fields)
    if any(map(dataset.parse_date, fields)):
        return f"is a row, not a header ({seen}); put the published header above it"
    other = dataset_of(fields, registry())
    if other and other.name != dataset.name:
        return (
            f"not a {dataset.name} file: by its columns it is one of {other.name} ({other.title}); move it to"
            f" {keys.landing(other.name)}"
        )
    if form is None:
        return (
            f"not a {dataset.name} file: none of its {len(fields)} columns ({seen}) is a published one; land a file as"
            " published in its place, or remove it"
        )
    unknown = _unknown(fields, missing, dataset)
    return (
        f"required columns are missing: {', '.join(missing)} (read as the {form} form)"
        f"{f'; not known: {unknown}' if unknown else ''}; land the file as published, or, if the city has renamed a"
        f" column, add its new name in stages/datasets/{dataset.name}/columns.py"
    )


def _unknown(fields: Sequence[str], missing: Sequence[str], dataset: Dataset) -> str:
    """The names that no form has, each with the missing one that it resembles; empty where there are none."""
    published = {respelled(name) for names in dataset.forms.values() for name in names}
    meant = {respelled(name): name for name in missing}
    said = []
    for at, name in enumerate(fields, 1):
        if respelled(name) in published or name.startswith(SYSTEM) or name == _unnamed(at):
            continue
        likely = get_close_matches(respelled(name), meant, n=1, cutoff=LIKENESS)
        said.append(f"{name[:LONGEST_SHOWN]}{f' (did you mean {meant[likely[0]]}?)' if likely else ''}")
    more = f", and {len(said) - MOST_SHOWN} more" if said[MOST_SHOWN:] else ""
    return f"{', '.join(said[:MOST_SHOWN])}{more}"


def _rival(form: str, columns: Sequence[str], spelled: Collection[str], dataset: Dataset) -> str | None:
    """The likeliest form that gives the header's names, once respelled, to other columns.

    None where there is none, or where those names are spelled as no program makes them of the other's.
    """
    rivals = [other for other in dataset.forms if dataset.crossed(form, other)]
    rival = max(rivals, key=lambda other: len(dataset.matched(columns, other)), default=None)
    if rival and all(name in spelled and _unmistakable(name) for name in dataset.crossed(form, rival)):
        return None
    return rival


def _doubt(
    form: str, rival: str, columns: Sequence[str], dataset: Dataset, *, below: Sequence[str], separator: str
) -> str:
    """Why it may be the rival's header and not the form's; empty where nothing says so.

    The dates must be written as in the form, or at least not as in the rival, and the columns in the form's order.
    """
    crossed = dataset.crossed(form, rival)
    dates = list(_cells(below, columns.index(dataset.published(dataset.date, form)), separator))
    own, theirs = (
        [text for text in dates if re.fullmatch(dataset.date_patterns[name], text)] for name in (form, rival)
    )
    if dataset.kept(rival).keys() <= set(dataset.matched(columns, rival).values()):
        evidence = "other column names"  # as of files of both forms put together
    elif theirs:
        evidence = f"its dates ({theirs[0]})"
    elif own or not any(map(str.strip, below)) or crossed == sorted(crossed, key=columns.index):
        return ""
    else:
        evidence = "the order of its columns"
    names = {name: dataset.crossed(name, other) for name, other in ((form, rival), (rival, form))}
    certain = [
        f", or name all columns as the {name} does ({', '.join(names[name])} …)"
        for name in names
        if all(map(_unmistakable, names[name]))
    ]
    return (
        f"looks like the {form} form by its column names, but like the {rival} form by {evidence}, and the"
        f" two forms use {' and '.join(map(respelled, crossed))} for different columns; land the file as published"
        f"{''.join(certain)}"
    )


def _unmistakable(name: str) -> bool:
    """Whether a published name is one that no program makes of another."""
    return respelled(name) != name


def _cells(lines: Iterable[str], position: int, separator: str) -> Iterator[str]:
    """A column's cells. Each line is taken for a record: of one that has several lines, cells may be missing or wrong,
    but a stray quote reaches no further than its line.
    """
    for line in lines:
        with suppress(csv.Error):
            fields = next(csv.reader([line], delimiter=separator))
            if position < len(fields):
                yield fields[position].strip()
