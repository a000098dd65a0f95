"""The warehouse of each real extract against a count of the same file by Python's csv module alone."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from lake import Lake

EXTRACTS = [
    "crashes_2022-01.csv",
    "crashes_2024-06-30_week_asof_2024-09-16.csv",
    "crashes_2024-06-30_week_asof_2025-02-12.csv",
    "crashes_api_500.csv",
    "crashes_quoted_2026_99.csv",
]
COUNTS = [
    f"{who}_{harm}" for who in ("persons", "pedestrians", "cyclist", "motorist") for harm in ("injured", "killed")
]


def counted(path: Path) -> dict[str, object]:
    """Collisions, ids, days, casualties and vehicle slots of a published file."""
    sums: Counter[str] = Counter()
    days: Counter[str] = Counter()
    ids: set[str] = set()
    slots = 0
    with path.open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            row = {name.lower().replace(" ", "_"): value.strip() for name, value in record.items()}
            ids.add(row["collision_id"])
            date = row["crash_date"]
            days[date[:10] if "-" in date else f"{date[6:]}-{date[:5].replace('/', '-')}"] += 1
            for count in COUNTS:
                sums[count] += int(row[f"number_of_{count}"] or 0)
            for slot in range(1, 6):
                types = [f"vehicle_type_code{mark}{slot}" for mark in ("_", "")]
                stated = [row[name] for name in (*types, f"contributing_factor_vehicle_{slot}") if name in row]
                slots += any(text and text != "N/A" for text in stated)
    return {
        "collisions": days.total(),
        "ids": len(ids),
        "days": dict(days),
        "sums": list(sums.values()),
        "slots": slots,
    }


@pytest.mark.parametrize("name", EXTRACTS)
def test_the_warehouse_of_an_extract_equals_an_independent_count(
    folder_lake: Lake, extract: Callable[[str], Path], name: str
) -> None:
    path = extract(name)
    folder_lake.land(path)
    folder_lake.run()
    ours = [count.replace("cyclist", "cyclists").replace("motorist", "motorists") for count in COUNTS]
    sums = ", ".join(f"coalesce(sum({count}), 0)::bigint" for count in ours)
    rows, ids = folder_lake.ask("select count(*), count(distinct collision_id) from fct_collisions")[0]
    days = folder_lake.ask("select crash_date::varchar, count(*) from fct_collisions group by all")
    assert counted(path) == {
        "collisions": rows,
        "ids": ids,
        "days": dict(days),
        "sums": list(folder_lake.ask(f"select {sums} from fct_collisions")[0]),
        "slots": folder_lake.one("select count(*) from fct_collision_vehicles"),
    }
