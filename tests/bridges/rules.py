"""What is wrong with bridge inspections."""

import pandas as pd
import pyarrow as pa

from stages.datasets.dataset import Verdict, rule
from stages.lake.frames import mask, per_value
from stages.lake.tally import Blank

from bridges import DATASET  # isort: skip


@rule(rejects={"inspection_missing": "NO is blank"})
def identity(rows: pd.DataFrame) -> Verdict:
    """Without a number an inspection cannot be told from others."""
    return Verdict(rejected={"inspection_missing": mask(rows["inspection"].isna())})


@rule()
def dated(rows: pd.DataFrame) -> Verdict:
    """Dates as dates."""
    return Verdict({"inspected_on": per_value(rows["inspected_on"], DATASET.parse_date, pa.date32())})


@rule(blanks={"state_unreadable": Blank("state", "letters")})
def readable_state(rows: pd.DataFrame) -> Verdict:
    """A state is a word."""
    states = per_value(rows["state"], lambda text: text.strip() if text.strip().isalpha() else None, pa.string())
    return Verdict({"state": states}, unknown={"state_unreadable": mask(states.isna() & rows["state"].notna())})


ROW_RULES = (identity, dated)
VALUE_RULES = (readable_state,)
