"""One vocabulary for the states of bridges."""

import pandas as pd
import pyarrow as pa

from stages.lake.frames import per_value

STATES = {"good": "sound", "sound": "sound", "rusty": "worn", "worn": "worn"}


def curate(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Clean inspections with their state's standard name."""
    states = per_value(rows["state"], lambda text: STATES.get(text.casefold(), "unknown"), pa.string())
    return {"inspections": rows.assign(state=states)}
