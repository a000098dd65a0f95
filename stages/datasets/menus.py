"""Menus of the police form: the standard names of a column's values, and the spellings that are published for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from stages.datasets.vehicle_types import UNKNOWN, UNKNOWN_CODE
from stages.datasets.vocabulary import UNMAPPED


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold())


@dataclass(frozen=True, eq=False)
class Menu:
    """Standard name → its other spellings, separated by `|`. Case, blanks and punctuation do not count.

    `Unknown` is on every menu. What is on none is `Unmapped`; a bare number is an `Unknown code`, because the city
    publishes codes of older forms without their meanings.
    """

    entries: Mapping[str, str]

    @cached_property
    def _names(self) -> dict[str, str]:
        entries = {**self.entries, UNKNOWN: f"unk|not known|not reported|{self.entries.get(UNKNOWN, '')}"}
        return {
            _plain(spelling): name
            for name, spellings in entries.items()
            for spelling in (name, *spellings.split("|"))
            if _plain(spelling)
        }

    @property
    def names(self) -> list[str]:
        """The standard names."""
        return list(dict.fromkeys([*self.entries, UNKNOWN]))

    def standard(self, text: str) -> str:
        """A value as published → its standard name."""
        plain = _plain(text)
        if not plain:  # a dash or the like
            return UNKNOWN
        if name := self._names.get(plain):
            return name
        return UNKNOWN_CODE if plain.isdigit() else UNMAPPED


SEX = Menu({"Female": "F", "Male": "M", "Not binary": "X|non-binary", UNKNOWN: "U"})
