"""The row ledger: what became of every row that a stage read."""

from __future__ import annotations

from dataclasses import dataclass

from stages.errors import ContractError


@dataclass(frozen=True)
class Ledger:
    """Rows of one stage; every row that comes in must be in one of the other three."""

    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    superseded: int = 0

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            self.quarantined + other.quarantined,
            self.superseded + other.superseded,
        )

    def check(self, what: str) -> None:
        """Raise ContractError where rows are unaccounted for."""
        accounted = self.rows_out + self.quarantined + self.superseded
        if self.rows_in != accounted:
            raise ContractError(
                f"{what}: {self.rows_in} rows in, but {accounted} accounted for ({self.rows_out} out,"
                f" {self.quarantined} quarantined, {self.superseded} superseded); nothing is published"
            )
