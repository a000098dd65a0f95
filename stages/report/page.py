"""From a built warehouse to one self-contained page: no request, nothing that is not in it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from stages.parallel import workers
from stages.report import places
from stages.report.collisions import BOROUGH_NAMES, EAST, METRES, NORTH, SOUTH, WEST, Collisions, read
from stages.report.cube import Cube, fill
from stages.report.health import Health, health
from stages.report.words import in_words

if TYPE_CHECKING:
    import jinja2

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("data.js", "words.js", "draw.js", "map.js", "time.js", "when.js", "where.js", "why.js", "main.js")
MOST_BYTES = 3 * 2**20
LEVEL = 4  # of deflate: 5 takes half as long again for a fiftieth less
COARSER = (45, 60, 90, 120)  # metres of a cell: the first that fits


@dataclass(frozen=True)
class Numbers:
    """What the page says of the facts: counts by dimension and by cell, and all their arrays, packed, with an index."""

    collisions: Collisions
    cube: Cube
    grid: places.Grid
    packed: str
    index: Sequence[Mapping[str, Any]]


def count(warehouse: duckdb.DuckDBPyConnection) -> Numbers:
    """Count the facts; the meta tables need not be filled. Raises duckdb.Error where a table is missing."""
    collisions = read(warehouse)
    with warehouse.cursor() as cursor, ThreadPoolExecutor(1) as beside:
        worst = beside.submit(places.worst, cursor, collisions.first_year, collisions.years)
        cube = fill(warehouse, collisions)
        grid = places.grid(collisions)
        cube.names["place"], cube.arrays["place"] = worst.result()
    return Numbers(collisions, cube, grid, *pack(cube.arrays | cells(grid)))


def make(warehouse: Path, numbers: Numbers, run_id: str = "", now: datetime | None = None, *, stale_days: int) -> bytes:
    """The page of a warehouse file with these `numbers`, as HTML in UTF-8, of at most MOST_BYTES.

    A source whose newest record is more than `stale_days` older than `now` stands still.
    Reads the file only. Raises duckdb.Error where a table that it needs is missing.
    """
    with duckdb.connect(str(warehouse), read_only=True, config={"threads": workers()}) as connection:
        found = health(connection, run_id, now or datetime.now(UTC), stale_days)
    page = render(numbers, found)
    for metres in COARSER:
        if len(page) <= MOST_BYTES:
            break
        page = render(coarser(numbers, metres), found)
    return page


def coarser(numbers: Numbers, metres: int) -> Numbers:
    """The numbers with cells of so many metres."""
    grid = places.grid(numbers.collisions, metres)
    packed, index = pack(numbers.cube.arrays | cells(grid))
    return replace(numbers, grid=grid, packed=packed, index=index)


def render(numbers: Numbers, found: Health) -> bytes:
    """The page with these numbers."""
    import jinja2
    from markupsafe import Markup

    cube, grid = numbers.cube, numbers.grid
    head = {
        "firstYear": cube.first_year,
        "years": cube.years,
        "oldest": found.oldest,
        "newest": found.newest,
        "staleDays": found.stale_days,
        "standsStill": found.stands_still,
        "sourceAge": found.source_age,
        "boroughs": BOROUGH_NAMES,
        "places": cube.names["place"],
        "names": {
            name: cube.names[name] for name in ("factor", "vehicle", "pair", "age", "role") if name in cube.names
        },
        "personsLeftOut": cube.persons_left_out,
        "arrays": numbers.index,
        "outlines": places.outlines(),
        "grid": {
            "metres": grid.metres,
            "width": grid.width,
            "corner": [WEST, SOUTH],
            "degree": METRES,
            "extent": [
                (EAST - WEST) * METRES[0],
                (NORTH - SOUTH) * METRES[1],
            ],
        },
    }
    script = "\n".join((PAGE / name).read_text() for name in SCRIPTS)
    css = (PAGE / "page.css").read_text()
    text = _template().render(
        policy=policy(script, css),
        css=Markup(css),  # noqa: S704 our own file
        script=Markup(script),  # noqa: S704 our own files
        head=jinja2.utils.htmlsafe_json_dumps(head, dumps=compact),
        packed=numbers.packed,
        health=found,
        in_words=lambda day: in_words(date.fromisoformat(day)),
    )
    return text.encode()


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, loader=jinja2.FileSystemLoader(PAGE), undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2")


def compact(value: Any, **options: Any) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, **options)


def policy(script: str, css: str) -> str:
    """A Content-Security-Policy that lets this script and these styles be, and nothing be requested."""
    allowed = {
        kind: "'sha256-" + base64.b64encode(sha256(text.encode()).digest()).decode() + "'"
        for kind, text in (("script-src", script), ("style-src", css))
    }
    sources = "; ".join(" ".join(pair) for pair in allowed.items())
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def cells(grid: places.Grid) -> dict[str, np.ndarray]:
    """The grid's arrays as the page reads them: ascending numbers as steps, those of a new list from nothing."""
    starts = np.cumsum(grid.listed) - grid.listed.ravel()
    return {
        **steps("position", grid.position, np.flatnonzero(np.diff(grid.borough.astype(int), prepend=-1))),
        "borough": grid.borough,
        "listed": grid.listed,
        **steps("cell", grid.cell, starts[grid.listed.ravel() > 0]),
        "count": grid.count,
        "fatal": grid.fatal,
    }


def steps(name: str, values: np.ndarray, starts: np.ndarray) -> dict[str, np.ndarray]:
    """Differences between neighbours, and the values themselves at `starts`, in three planes of bytes."""
    found = np.diff(values, prepend=0)
    found[starts] = values[starts]
    return {f"{name}{n}": (found >> 8 * n & 255).astype(np.uint8) for n in range(3)}


def pack(arrays: dict[str, np.ndarray]) -> tuple[str, list[dict[str, Any]]]:
    """Arrays of whole numbers, deflated together, in base64; and where each lies in the bytes, at which width."""
    index, parts, offset = [], [], 0
    for name, array in arrays.items():
        most = int(array.max(initial=0))
        kind = np.dtype("<u1") if most < 2**8 else np.dtype("<u2") if most < 2**16 else np.dtype("<u4")
        content = array.astype(kind).tobytes()
        index.append({"name": name, "offset": offset, "bytes": kind.itemsize, "shape": list(array.shape)})
        parts.append(content)
        offset += len(content)
    return base64.b64encode(zlib.compress(b"".join(parts), LEVEL)).decode(), index
