"""The dates that a run covers, and months as names and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Scope:
    """Half-open range of dates `[start, end)`; None is an open end, so that Scope() is everything."""

    start: date | None = None
    end: date | None = None

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> Scope:
        """The scope of two ISO dates as records have them; None or nothing is an open end."""
        return cls(*(date.fromisoformat(day) if day else None for day in (start, end)))

    @classmethod
    def of_years(cls, years: Iterable[int]) -> tuple[Scope, frozenset[str]]:
        """The scope of the first of these years and of those that follow without a gap; the months of the others."""
        first, *others = sorted(set(years))
        end = first + 1
        while others and others[0] == end:
            end = others.pop(0) + 1
        months = frozenset(f"{year}-{month:02d}" for year in others for month in range(1, 13))
        return cls(date(first, 1, 1), date(end, 1, 1)), months

    def touches(self, month: str) -> bool:
        """Whether any day of the month (YYYY-MM) lies in the range."""
        return (self.start is None or month >= f"{self.start:%Y-%m}") and (
            self.end is None or f"{month}-01" < self.end.isoformat()
        )

    def __str__(self) -> str:
        if self == Scope():
            return "everything"
        return f"[{self.start or '…'}, {self.end or '…'})"


def run_id_by_hand(start: date | None, end: date | None, years: Iterable[int] = ()) -> str:
    """The id of a run that was not given one, by its years or dates."""
    dates = "-".join(map(str, years)) or f"{start or 'first'}_{end or 'last'}"
    return f"by-hand_{dates}"


def month_code(month: str) -> int:
    """`YYYY-MM` → months since year 0, for arithmetic on whole columns."""
    return int(month[:4]) * 12 + int(month[5:]) - 1


def month_name(code: int) -> str:
    """The `YYYY-MM` of a `month_code`."""
    return f"{code // 12:04d}-{code % 12 + 1:02d}"


def whole_months(months: list[str]) -> Scope:
    """The smallest scope that covers these months (YYYY-MM), from the first day of the first to the end of the last."""
    first, end = (date.fromisoformat(f"{month}-01") for month in (min(months), month_name(month_code(max(months)) + 1)))
    return Scope(first, end)


def stretches(months: Iterable[str]) -> list[tuple[str, str]]:
    """The first and last month of each stretch of months without a gap, in order."""
    codes = sorted(map(month_code, months))
    firsts = [code for code, before in zip(codes, [None, *codes], strict=False) if before is None or code > before + 1]
    lasts = [code for code, after in zip(codes, [*codes[1:], None], strict=False) if after is None or after > code + 1]
    return [(month_name(first), month_name(last)) for first, last in zip(firsts, lasts, strict=True)]


def spans(months: Iterable[str]) -> str:
    """Months as people list them: `2022-01 to 2022-03, 2022-07`."""
    return ", ".join(first if first == last else f"{first} to {last}" for first, last in stretches(months))
