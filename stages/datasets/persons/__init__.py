"""Persons (f55k-p6yu): one row per person whom the police recorded with a collision, hurt or not."""

from stages.datasets.dataset import Api, Dataset
from stages.datasets.persons.columns import COLUMNS, PERSONS
from stages.datasets.values import parse_date

DATASET = Dataset(
    name="persons",
    title="Motor Vehicle Collisions - Person (NYC Open Data, f55k-p6yu)",
    package=__name__,
    version=1,
    key="unique_id",
    date="crash_date",
    parse_date=parse_date,
    columns=COLUMNS,
    tables=(PERSONS,),
    api=Api("f55k-p6yu", "API"),
)
