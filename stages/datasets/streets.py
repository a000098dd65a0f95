"""One spelling for the names of streets, which officers type as they like: AVE, Av. and AVENUE are one street.

What is not understood stays as it is published.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

_KINDS = {
    **dict.fromkeys(("AVENUE", "AVE", "AV", "AVNUE"), "AVENUE"),
    **dict.fromkeys(("BOULEVARD", "BLVD", "BVLD", "BOUL"), "BOULEVARD"),
    **dict.fromkeys(("CIRCLE", "CIR"), "CIRCLE"),
    **dict.fromkeys(("COURT", "CT"), "COURT"),
    **dict.fromkeys(("DRIVE", "DR"), "DRIVE"),
    **dict.fromkeys(("EXPRESSWAY", "EXPY", "EXPWY", "EXWY", "EXPWAY"), "EXPRESSWAY"),
    **dict.fromkeys(("HIGHWAY", "HWY"), "HIGHWAY"),
    **dict.fromkeys(("LANE", "LN"), "LANE"),
    **dict.fromkeys(("PARKWAY", "PKWY", "PKY", "PKWAY"), "PARKWAY"),
    **dict.fromkeys(("PLACE", "PL"), "PLACE"),
    **dict.fromkeys(("PLAZA", "PLZ"), "PLAZA"),
    **dict.fromkeys(("ROAD", "RD"), "ROAD"),
    **dict.fromkeys(("SQUARE", "SQ"), "SQUARE"),
    **dict.fromkeys(("STREET", "STR"), "STREET"),
    **dict.fromkeys(("TERRACE", "TER", "TERR"), "TERRACE"),
    **dict.fromkeys(("TURNPIKE", "TPKE", "TPK", "TNPK"), "TURNPIKE"),
}
_FIRST = {"FT": "FORT", "MT": "MOUNT", "ST": "SAINT"}
_ANYWHERE = {
    "DEKALB": "DE KALB",
    "EXT": "EXTENSION",
    "QNS": "QUEENS",
    "VANCORTLANDT": "VAN CORTLANDT",
    "VANWYCK": "VAN WYCK",
}
_SIDES = {"E": "EAST", "N": "NORTH", "S": "SOUTH", "W": "WEST"}
_NUMBERS = {
    name: str(number)
    for number, name in enumerate(
        [
            "FIRST",
            "SECOND",
            "THIRD",
            "FOURTH",
            "FIFTH",
            "SIXTH",
            "SEVENTH",
            "EIGHTH",
            "NINTH",
            "TENTH",
            "ELEVENTH",
            "TWELFTH",
        ],
        1,
    )
}
_AFTER_STREET = {"&", "AND", "EXTENSION", "RAMP", "BRIDGE", *_SIDES, *_SIDES.values()}  # what ends a street's name

_DOT_IN_NAME = re.compile(r"\.(?=[^\W\d]{2})")  # of ST.JOHN, not of G.C.P.
_MARKS = re.compile(r"(?<!\d)\.|\.(?!\d)|['\u2018\u2019`]")
_ENDS = " ,;:-/&*#"
_GLUED = re.compile(r"(\d+)([A-Z]+)")
_ADDRESS = r"^(?P<number>\d+(?:-\d+)?[A-Za-z]?) +(?P<street>\D.*|\d+\w* .+)$"


def street(text: str) -> str:
    """A street as published → its name in capitals, with what is usually abbreviated written out and numbers as digits.

    >>> street("Flatbush Ave."), street("E 42ND ST"), street("ST MARKS PL"), street("AVENUE S")
    ('FLATBUSH AVENUE', 'EAST 42 STREET', 'SAINT MARKS PLACE', 'AVENUE S')
    """
    return _street(text) or text.upper()


@lru_cache(100_000)
def _street(text: str) -> str:
    plain = _MARKS.sub("", _DOT_IN_NAME.sub(" ", text.upper())).strip(_ENDS)
    words = " ".join(_ANYWHERE.get(word, word) for word in plain.split()).split()
    words = [part for word in words for part in _split(word)]
    return " ".join(_written_out(words, at) for at in range(len(words)))


def addresses(texts: pa.Array) -> pa.Array:
    """House numbers and streets as published → the number, a blank, and the street's name as `street` gives it."""
    found = pc.extract_regex(pc.utf8_trim_whitespace(texts), _ADDRESS)
    number, name = (pc.struct_field(found, part) for part in ("number", "street"))
    names = pc.dictionary_encode(pc.coalesce(name, texts))  # far fewer than addresses
    written = pa.array([street(text) for text in names.dictionary.to_pylist()], pa.string()).take(names.indices)
    return pc.coalesce(pc.binary_join_element_wise(pc.utf8_upper(number), written, " "), written)


def _split(word: str) -> list[str]:
    """42ND → 42, and 31AVE → 31 AVE; another word as it is."""
    found = _GLUED.fullmatch(word)
    if not found:
        return [word]
    number, letters = found.groups()
    if letters == _ordinal_ending(int(number)):
        return [number]
    return [number, letters] if letters in _KINDS or letters == "ST" else [word]


def _ordinal_ending(number: int) -> str:
    return "TH" if 10 < number % 100 < 14 else {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")


def _written_out(words: list[str], at: int) -> str:
    """The word at this position, written out as its neighbours require."""
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else ""
    if at == 0:
        if following and word in _SIDES and following not in _KINDS:
            return _SIDES[word]
        if following and word in _FIRST:
            return _FIRST[word]
        if word in _NUMBERS and (following in _KINDS or following == "ST"):
            return _NUMBERS[word]
        return "AVENUE" if _KINDS.get(word) == "AVENUE" else word  # AVE U; DR and CT may begin a name
    if word == "ST":
        if words[at - 1] == "OF":
            return "SAINT"
        ends = not following or following in _AFTER_STREET or words[at - 1].isdigit()
        return "STREET" if ends else word
    if word in _SIDES and not following and at > 1 and words[at - 1] in _KINDS:
        return _SIDES[word]
    return _KINDS.get(word, word)
