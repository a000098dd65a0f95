"""Reads a landed CSV as text, row by row accounted for, whatever state it is in.

The file is cut into blocks at record ends. Arrow parses a block where its answer is provably that of a careful
reader: no row with a wrong number of fields, even quotes, every physical line explained by a row or by a line break
inside a value. Any other block is read record by record with Python's csv module, so that each bad record is reported
with its place and what is wrong with it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from stages.errors import SourceError
from stages.landing.content import opened
from stages.landing.header import FROM_UNKNOWN, Header

BLOCK_BYTES = 16 << 20
CACHED_BYTES = 1 << 18  # fit into a core's cache
RECORD_LINES = 10  # the API's LOCATION takes three; a quote still open after ten was never meant to be one
REJECTS = {  # why a record is not a row, whatever the dataset
    "malformed_quoting": "the record's quotes are unbalanced, or balanced only by a later record's",
    "wrong_number_of_fields": "more or fewer fields than the header",
}


@dataclass(frozen=True)
class Block:
    """Whole records of a file; `first_line` is the physical line that the block starts at, counted from 1."""

    data: bytes | bytearray
    first_line: int
    last: bool


@dataclass
class Reject:
    """A record that is not a row; `text` is its text in the file."""

    line: int
    reason: str
    text: str


@dataclass
class Rows:
    """A block's rows: text columns named as published (an empty field is null), and each row's first physical line."""

    table: pa.Table
    lines: np.ndarray
    rejects: list[Reject] = field(default_factory=list)


def read_blocks(source: str, path: Path, header: Header, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut the file behind its header into blocks that end with a record; their lines end in LF, or CRLF."""
    line, rest = header.line + 1, bytearray()
    with opened(source, path) as content:
        content.seek(header.offset)
        while True:
            data = _followed_by_more(rest, content, block_bytes, header)
            if len(data) == len(rest):
                if data:
                    yield Block(data, line, last=True)
                return
            cut = _record_end(data, header)
            rest = data[cut:]
            if cut:
                del data[cut:]
                yield Block(data, line, last=False)
                line += _count(data, b"\n")


def _followed_by_more(rest: bytearray, content: io.BufferedIOBase, size: int, header: Header) -> bytearray:
    """The rest of the last block and the next bytes of a file, with LF in place of CR where its lines end in CR."""
    if header.carriage_returns:
        more = content.read(size)
        while more.endswith(b"\r") and (following := content.read(1)):  # of a CRLF, perhaps
            more += following
        return bytearray(rest + more.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    data = bytearray(len(rest) + size)  # to be read into, for a block is quicker read than copied
    data[: len(rest)] = rest
    with memoryview(data) as view:
        read = content.readinto(view[len(rest) :])
    del data[len(rest) + read :]
    return data


def _count(data: bytes | bytearray, byte: bytes, end: int = -1) -> int:
    """How often a byte occurs in the data before `end`; faster than bytes.count()."""
    text = np.frombuffer(data, np.uint8, end)
    pieces = (text[at : at + CACHED_BYTES] for at in range(0, len(text), CACHED_BYTES))
    return sum(int(np.count_nonzero(piece == byte[0])) for piece in pieces)


def _record_end(data: bytes | bytearray, header: Header) -> int:
    """Offset behind the last line break that ends a record; 0 where there is none.

    Usually that is a line break behind an even number of quotes and a sound record. If the last few lines have none,
    there is a stray quote somewhere: then the records are counted from the start.
    """
    cut = data.rfind(b"\n") + 1
    quotes = _count(data, b'"', cut)
    for _ in range(RECORD_LINES):
        if not cut:
            break
        if quotes % 2 == 0 and _ends_record(data, cut, header):
            return cut
        end, cut = cut, data.rfind(b"\n", 0, cut - 1) + 1
        quotes -= data.count(b'"', cut, end)
    lines = [line + "\n" for line in data.decode("latin-1").split("\n")]
    at = 0
    while at + RECORD_LINES < len(lines):
        at += _record(lines, at, header)[1]
    return sum(map(len, lines[:at]))


def _ends_record(data: bytes | bytearray, end: int, header: Header) -> bool:
    """Whether the last few lines before `end` hold a sound record that ends there: behind a stray quote the number of
    quotes is even inside a value.
    """
    lines: list[str] = []
    for _ in range(RECORD_LINES):
        if not end:
            break
        start = data.rfind(b"\n", 0, end - 1) + 1
        lines.insert(0, data[start:end].decode("latin-1"))
        end = start
        fields, height, problem = _record(lines, 0, header)
        if not problem and (height, len(fields)) == (len(lines), len(header.columns)):
            return True
    return False


def read_rows(source: str, header: Header, block: Block) -> Rows:
    """The block's rows and rejects; raises SourceError where the file is truncated or not text."""
    if b"\0" in block.data:
        line = block.first_line + block.data.count(b"\n", 0, block.data.index(b"\0"))
        raise SourceError(source, line, "contains NUL bytes: it is not text, or was damaged in transit; fetch it again")
    rows = _read_sound(header, block) or _read_carefully(source, header, block)
    if header.rival:
        _refuse_dates_of(*header.rival, source, rows.table[header.date], rows.lines)
    return _without_empty(source, header, rows) if header.empty else rows


def _refuse_dates_of(form: str, pattern: str, source: str, dates: pa.ChunkedArray, lines: np.ndarray) -> None:
    """Raise SourceError where a date is written as in another form: that row's columns may be the other's too."""
    foreign = pc.fill_null(pc.match_substring_regex(dates.cast(pa.string()), rf"^\s*(?:{pattern})\s*$"), False)
    at = pc.index(foreign, True).as_py()
    if at >= 0:
        raise SourceError(
            source,
            int(lines[at]),
            f"its date {dates[at].as_py()} is written as in the {form} form, in which some of the same names mean other"
            " columns; land the rows of that form as a separate file",
        )


def _without_empty(source: str, header: Header, rows: Rows) -> Rows:
    """The rows without the columns that must be empty; raises SourceError where one is not."""
    for name in header.empty:
        stated = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(rows.table[name].cast(pa.string())), ""), False)
        at = pc.index(stated, True).as_py()
        if at >= 0:
            value = rows.table[name][at].as_py()
            raise SourceError(
                source,
                int(rows.lines[at]),
                f"{name} has no name in the header, but holds {value!r}; name it or empty it",
            )
    return Rows(rows.table.drop_columns(list(header.empty)), rows.lines, rows.rejects)


def _read_sound(header: Header, block: Block) -> Rows | None:
    """Arrow's reading, or None where the block is not sound."""
    if _count(block.data, b'"') % 2:
        return None
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(block.data),
            read_options=pa.csv.ReadOptions(
                column_names=header.columns, use_threads=False, block_size=len(block.data) + 1
            ),
            parse_options=pa.csv.ParseOptions(delimiter=header.separator, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                check_utf8=not block.data.isascii(),  # far quicker than to check each value
                column_types={name: header.type_of(name) for name in header.columns},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows and not _ends_record(block.data, len(block.data), header):
        return None  # for example, an unclosed quote after another one
    physical = _count(block.data, b"\n") + (not block.data.endswith(b"\n"))
    heights = np.ones(table.num_rows, dtype=np.int64)
    if physical != table.num_rows:
        for column in table.columns:
            text = column.cast(pa.string())
            breaks, separators = (
                pc.fill_null(pc.count_substring(text, sign), 0).to_numpy() for sign in ("\n", header.separator)
            )
            if _holds_a_record(breaks, separators, len(header.columns)).any():
                return None
            heights += breaks
        if heights.sum() != physical:
            return None
    lines = block.first_line + np.cumsum(heights) - heights
    return Rows(table, lines.astype(np.int32))


def _read_carefully(source: str, header: Header, block: Block) -> Rows:
    """Record by record; a record that cannot be read costs its first line, and reading goes on with the next."""
    records: list[list[str]] = []
    starts: list[int] = []
    rejects: list[Reject] = []
    lines = _decoded(source, block)
    at = 0
    while at < len(lines):
        number = block.first_line + at
        if not lines[at].strip("\r\n"):
            at += 1
            continue
        fields, height, problem = _record(lines, at, header)
        ends_the_file = block.last and at + height == len(lines) and not lines[-1].endswith("\n")
        if ends_the_file and (problem or len(fields) < len(header.columns)):
            raise SourceError(
                source, number, "the file is truncated: it ends in the middle of a record; fetch it again"
            )
        if not problem and len(fields) != len(header.columns):
            problem = "wrong_number_of_fields"
        if problem:
            rejects.append(Reject(number, problem, "".join(lines[at : at + height]).rstrip("\r\n")))
        else:
            records.append(fields)
            starts.append(number)
        at += height
    columns = zip(*records, strict=True) if records else ([] for _ in header.columns)
    arrays = [
        pa.array([value or None for value in column], pa.string()).cast(header.type_of(name))
        for name, column in zip(header.columns, columns, strict=True)
    ]
    return Rows(pa.table(arrays, names=header.columns), np.array(starts, dtype=np.int32), rejects)


def _decoded(source: str, block: Block) -> list[str]:
    lines = block.data.split(b"\n")
    ended = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    decoded = []
    for number, line in enumerate(ended, block.first_line):
        try:
            decoded.append(line.decode())
        except UnicodeDecodeError as error:
            raise SourceError(
                source,
                number,
                f"is not UTF-8 text (byte {error.start + 1} of the line); {FROM_UNKNOWN}",
            ) from None
    return decoded


def _record(lines: list[str], at: int, header: Header) -> tuple[list[str], int, str]:
    """The record that starts at line `at`: its fields, how many lines it takes, and what is wrong with it, if anything.

    Text behind a closing quote belongs to the field, as in Arrow, unless a quote was left open before.
    """
    given = lines[at : at + RECORD_LINES]
    width = len(header.columns)
    for strict in (True, False):
        reader = csv.reader(
            [*given, ""], strict=strict, delimiter=header.separator
        )  # a record that takes the last, empty one has no end
        try:
            fields = next(reader)
        except csv.Error:
            continue
        height = reader.line_num
        if any(_holds_a_record(value.count("\n"), value.count(header.separator), width) for value in fields):
            continue
        if height <= len(given) and (strict or height == 1 or len(fields) == width):
            return fields, height, ""
    return [], 1, "malformed_quoting"


def _holds_a_record(breaks: Any, separators: Any, width: int) -> Any:
    """Whether a value of so many line breaks and separators has swallowed a record's end and the beginning of another.

    That is what lies between two stray quotes in the same column: the numbers of fields and quotes are right.
    """
    return (breaks > 0) & (separators >= width - 1)
