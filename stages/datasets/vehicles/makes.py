"""Makes of vehicles: the standard name, and what is published for it: codes of the National Crime Information Center
with the kind of vehicle behind them (`TOYT -CAR/SUV`), names, and names cut short.
"""

from __future__ import annotations

import re
from functools import lru_cache

from stages.datasets.vehicle_types import UNKNOWN, UNKNOWN_CODE
from stages.datasets.vocabulary import UNMAPPED

SHORTEST_CUT = 4  # fewer letters begin too many names

# standard name → codes and spellings; case, blanks and punctuation do not count
MAKES: dict[str, str] = {
    "Acura": "acur",
    "Alfa Romeo": "alfa",
    "Aston Martin": "asto",
    "Audi": "",
    "Bentley": "bent",
    "Blue Bird": "bird, blub, bluebird",
    "BMW": "",
    "Buick": "buic",
    "Cadillac": "cadi",
    "Can-Am": "bomb, bombardier, can am, spyder",
    "Chevrolet": "chev, chevy, chevr, cherv, chervolet",
    "Chrysler": "chry, chrys",
    "Citroen": "citr",
    "Crane Carrier": "crnc, ccc",
    "Daewoo": "daew",
    "Daihatsu": "daih",
    "Dodge": "dodg",
    "Ducati": "duca",
    "Ferrari": "ferr",
    "Fiat": "",
    "Ford": "",
    "Freightliner": "frht, frei, freig, fght, freight, frightliner",
    "Genesis": "gene, gens",
    "Gillig": "gill, gilg",
    "GMC": "general motors, gm",
    "Harley-Davidson": "hard, harl, hd, harley",
    "Hino": "",
    "Honda": "hond",
    "Hummer": "humm",
    "Hyundai": "hyun, hyund",
    "IC Bus": "ic, icbu, ic corp, icrp",
    "Infiniti": "infi, infin, infinity",
    "International": "intl, inte, inter, navi, navistar, int",
    "Isuzu": "isu, isuz, isuza",
    "Jaguar": "jagu",
    "Jeep": "",
    "Kawasaki": "kawk, kawa",
    "Kenworth": "kw, kenw",
    "Kia": "",
    "KTM": "",
    "Lamborghini": "lamo",
    "Land Rover": "lndr, land, range rover, rove, rover",
    "Lexus": "lexs, lexu",
    "Lincoln": "linc",
    "Mack": "",
    "Maserati": "mase",
    "Mazda": "mazd",
    "Mercedes-Benz": "merz, mercedes, benz, mercedez, mercedes benz, mb",
    "Mercury": "merc",
    "Mini": "mnni, mini cooper, cooper",
    "Mitsubishi": "mits, mitsu, fuso",
    "Motor Coach Industries": "mci, moco",
    "New Flyer": "newf, nflr, newflyer, nfa",
    "Nissan": "niss, datsun, ud",
    "Nova Bus": "nova, nvbu, novabus",
    "Oldsmobile": "olds",
    "Orion": "orio",
    "Peterbilt": "ptrb, pete, peter",
    "Piaggio": "piag, vespa, vesp",
    "Plymouth": "plym",
    "Polaris": "pola, slingshot",
    "Pontiac": "pont",
    "Porsche": "pors",
    "Prevost": "prev",
    "Ram": "dodge ram",
    "Rolls-Royce": "rol, roll, rolls",
    "Saab": "",
    "Saturn": "strn, satu",
    "Scion": "scio",
    "Smart": "smrt, smar",
    "Sterling": "ster, stlg, strg",
    "Subaru": "suba",
    "Suzuki": "suzi, suzu",
    "Tesla": "tesl",
    "Thomas": "thms, thom, thomas built",
    "Toyota": "toyt, toyo, toyta",
    "Triumph": "trum, triu",
    "Van Hool": "vanh",
    "Volkswagen": "volk, vw, volks",
    "Volvo": "volv",
    "Western Star": "wstr, westr",
    "Workhorse": "wrkh, work",
    "Yamaha": "yama",
}
_UNKNOWN = {"unk", "unkn", "unknown", "unkno", "none", "other", "oth", "omr", "self"}
_KIND = re.compile(r"[\s-]*(?:-\s*)?(?:CAR\s*/\s*SUV|TRUCK\s*/\s*BUS|MCL|MOTORCYCLE|TRAILER)\s*$", re.IGNORECASE)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold())


_SPELLINGS = {
    _plain(spelling): name
    for name, spellings in MAKES.items()
    for spelling in (name, *spellings.split(","))
    if spelling
}


@lru_cache(100_000)
def make(text: str) -> str:
    """A make as published → its standard name; Unmapped where the vocabulary lacks it."""
    plain = _plain(_KIND.sub("", text))
    if not plain or plain in _UNKNOWN:
        return UNKNOWN
    if name := _SPELLINGS.get(plain):
        return name
    if plain.isdigit():
        return UNKNOWN_CODE
    names = {name for name in MAKES if len(plain) >= SHORTEST_CUT and _plain(name).startswith(plain)}
    return names.pop() if len(names) == 1 else UNMAPPED
