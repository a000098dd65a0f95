"""Work on the distinct values of columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from stages.lake.frames import differ, with_own_values

CODED = pa.DictionaryArray.from_arrays([0, 1, 2, None, 0], ["a", "b", "a"])  # two codes for one value


@pytest.mark.parametrize("values", [CODED, CODED.cast(pa.string()), pa.array([1, 2, 1, None, 1])])
def test_pairs_of_values_that_differ_are_found(values: pa.Array) -> None:
    column = pd.Series(values, dtype=pd.ArrowDtype(values.type))
    some, others = np.array([0, 0, 0, 3, 3, 1]), np.array([1, 2, 3, 3, 4, 4])
    assert differ(column, some, others).tolist() == [True, False, True, False, True, True]


def test_a_few_rows_keep_only_their_own_values() -> None:
    column = pd.Series(CODED, dtype=pd.ArrowDtype(CODED.type))
    few = with_own_values(pd.DataFrame({"name": column}).iloc[[1, 3]])
    assert pa.array(few["name"]).dictionary.to_pylist() == ["b"]
    assert few["name"].astype(object).where(few["name"].notna(), None).tolist() == ["b", None]
    assert few.index.tolist() == [1, 3]
