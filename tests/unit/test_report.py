"""The report's parts: what is worst, what is packed, how text is escaped, what the verdict says."""

from __future__ import annotations

import base64
import itertools
import zlib
from pathlib import Path

import numpy as np
import pytest
from collisions_ops import report as command
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings

from stages.lake import keys
from stages.report.health import verdict
from stages.report.page import pack, policy
from stages.report.places import candidates, outlines

CHECK = ("things hold", "t", 3, "warning")


def worst_by_force(hurt: np.ndarray, borough: np.ndarray, listed: int) -> set[int]:
    """The same by trying every road user, borough and range, and sorting all places."""
    users, _, years, places = hurt.shape
    found: set[int] = set()
    for user, first, last in itertools.product(range(users), range(years), range(1, years + 1)):
        if first >= last:
            continue
        injured, killed = hurt[user, :, first:last].sum(axis=1)
        for scope in (None, *range(6)):
            inside = [n for n in range(places) if scope is None or borough[n] == scope]
            inside.sort(key=lambda n: (-(injured[n] + killed[n]), -killed[n], n))
            found.update(n for n in inside[:listed] if injured[n] + killed[n])
    return found


def in_rows(hurt: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Injured and killed by year and place as rows: place, year, and both; the injured in two rows."""
    year, place = np.nonzero(hurt.sum(axis=0))
    injured, killed = hurt[:, year, place]
    harm = np.stack([np.append(injured // 2, injured - injured // 2), np.append(killed, np.zeros_like(killed))])
    return np.tile(place, 2), np.tile(year, 2), harm


@pytest.mark.parametrize("seed", range(5))
def test_the_worst_places_of_every_filter_are_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hurt = rng.poisson(0.7, (5, 2, 4, 60)).astype(np.int32)
    borough = rng.integers(0, 6, 60)
    found = set().union(*(candidates(*in_rows(user), borough, 3) for user in hurt))
    assert found == worst_by_force(hurt, borough, 3)


def test_a_place_without_casualties_is_not_among_the_worst() -> None:
    hurt = np.zeros((2, 1, 3), dtype=np.int32)
    hurt[0, 0, 1] = 1
    assert candidates(*in_rows(hurt), np.array([0, 0, 0])) == {1}


def test_arrays_are_packed_as_narrow_as_their_largest_value() -> None:
    arrays = {"a": np.array([[1, 255]]), "b": np.array([256]), "c": np.array([65536])}
    text, index = pack(arrays)
    content = zlib.decompress(base64.b64decode(text))
    kinds = {1: "<u1", 2: "<u2", 4: "<u4"}
    assert [entry["bytes"] for entry in index] == [1, 2, 4]
    for entry in index:
        size = int(np.prod(entry["shape"]))
        found = np.frombuffer(content, kinds[entry["bytes"]], size, entry["offset"]).reshape(entry["shape"])
        assert found.tolist() == arrays[entry["name"]].tolist()


def test_the_policy_allows_nothing_but_the_pages_own_script_and_styles() -> None:
    allowed = dict(part.strip().split(" ", 1) for part in policy("script", "styles").split(";"))
    assert allowed["default-src"] == "'none'"
    assert all(allowed[kind].startswith("'sha256-") for kind in ("script-src", "style-src"))
    assert not {"unsafe-inline", "unsafe-eval", "http:", "https:", "data:"} & set(policy("a", "b").split())


@pytest.mark.parametrize(
    ("count", "days", "failed", "kind", "says"),
    [
        (0, None, [], "bad", "no collision"),
        (5, 3, [], "good", "Every check passed"),
        (5, 15, [], "warn", "15 days old"),
        (5, 3, [CHECK], "warn", "things hold (3)"),
        (5, 15, [CHECK], "warn", "15 days old"),
        (5, 3, [CHECK, ("keys", "t", 1, "error")], "bad", "keys"),
    ],
)
def test_the_verdict_names_the_worst_first(
    count: int, days: int | None, failed: list[tuple[str, str, int, str]], kind: str, says: str
) -> None:
    found = verdict(count, days, failed)
    assert found.kind == kind
    assert says in found.because


def test_every_borough_has_an_outline_of_points_within_the_grid() -> None:
    assert len(outlines()) == 5
    for rings in outlines():
        assert rings
        assert all(len(ring) >= 8 and min(ring) >= 0 for ring in rings)


def test_the_address_of_a_published_page_is_its_file(tmp_path: Path) -> None:
    settings = Settings.from_environment({"COLLISIONS_LAKE": str(tmp_path)})
    page = tmp_path / keys.REPORT
    page.parent.mkdir()
    page.write_text("<!doctype html>")
    assert command.embedded(settings) == page.as_uri()


def test_without_a_published_page_the_error_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings.from_environment({"COLLISIONS_LAKE": str(tmp_path)})
    with pytest.raises(OpsError, match=r"reports/collisions\.html.*run the pipeline first"):
        command.embedded(settings)
