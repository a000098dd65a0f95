"""Published spellings of vehicle types → standard types and their groups."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from stages.datasets import vocabulary
from stages.datasets.vehicle_types import VEHICLE_TYPES

# (standard type, group) → spellings as published
PUBLISHED = {
    ("Sedan", "Passenger car"): """
        Grey sedan | Sedan | 2 dr sedan | 4 dr sedan | 4SEDN | SUDAN | 2 DOO | 3-Door | 3 DOO | 4DOOR | 2DR | 4dr
        | PASSENGER VEHICLE | Passenger | Passanger | PASSA | PASSE | PASS | Pas (4dr s | COUPE | Hatchback | CAR
        | Smart car | 2D | 3D | 4D | 4DS | 4DSD | 2DSD | PAS | SD | CP""",
    ("Convertible", "Passenger car"): "Convertible | CONVE | CONV | CV",
    ("Station wagon or SUV", "Passenger car"): """
        SUBN WHI | SUBN- | Station Wagon/Sport Utility Vehicle | SPORT UTILITY / STATION WAGON | Station Wa
        | Sport util | SUV | suv / | CAR/SUV | SUBURBAN | SUBUR | Surburban | SUB | SUBR | SBN | SYBN | wagon | JEEP
        | Carry All | LL | subn | SUBN/""",
    ("Limousine", "Passenger car"): "LIMO | LIMOU | LIMO/ | Limousine | LM | LIM",
    ("Taxi", "Taxi"): """
        TLC V | Taxi | TAXI CAB | YELLOW CAB | Yellow tax | CAB | LIVERY VEHICLE | LIVER | Livery car | Black car
        | UBER | TLC | OMT | OML | OML/""",
    ("Pick-up truck", "Truck or van"): """
        PICK TRUCK | Pick-up Truck | PICK-UP TR | PICK UP | Pickup | PICKU | PICK- | PICK | PICK RD | PKUP | P/U
        | Ford Pick | FORD F-150 | F150XL PIC | F-250 | Dodge Ram | RAM | Ridgeline | Pickup with mounted Camper
        | PK | PM | PU""",
    ("Van", "Truck or van"): """
        VAN/TRANSI | VAM | E250 | E-350 | VAN H | Van | VAN TRUCK | VAN/TRUCK | VAN T | VAN/T | VAN C | VANT | VAN F
        | Vanette | VANET | VAB | VAV | VAN FORD | MINIVAN | Mini Van | MINIV | Passenger Van | 10 PASSENG | 12 PA
        | 15 PA | CARGO VAN | CARGO | work van | UTILITY VA | Panel Van | Dollar Van | Rental van | TRANSIT VA
        | Transit | Sprinter V | SPRIN | FORD SPRIN | FORD ECONO | FORD TRANS | ECONOLINE | ECOLINE VA | RAM PROMAS
        | Promaster | CHEVY EXPR | VN | VT""",
    ("Box truck", "Truck or van"): """
        Box Truck | BOX T | BOXTR | Box Trucki | BOX | BOX VAN | BOX H | MOVING VAN | MOVIN | Moving tru | U-Haul
        | U-Hau | UHAUL | UHAUL TRUC | UHAUL BOX | UHUAL | UHAL TRUCK | BUDGE | RENTAL TRU | RYDER | Ryder truc
        | PENSKE BOX | Enclosed Body - Removable Enclosure | Enclosed Body - Nonremovable Enclosure | EN""",
    ("Delivery truck", "Truck or van"): """
        DELIE | DLEV | LLV | bread truc | DELIVERY T | DELIVERY V | Delivery | DELIV | Delivery va | DELVIERY
        | DILEVERY T | DLVR | DEL | USPS | USPS MAIL | USPCS TRUC | US PO | U.S. POSTA | US MAIL #1 | USP M | USP
        | POSTA | postal tru | POST OFFIC | POST | MAIL | Mail truck | LLV MAIL T | UPS | UPS T | UPS VAN | UPS M
        | FEDEX | FED E | FEDX | FEDERAL EX | Amazon tru | DHL T | COURIER VA | COURI | PARCE | Beverage Truck | BR
        | DELV""",
    ("Food truck", "Truck or van"): """
        FOOD TRUCK | FOOD | Food cart | Food Trail | FOOD VENDE | MOBILE FOO | COMM FOOD | Lunch Wagon | ICE CREAM
        | ICE C | ICECR | HOTDO | Hot dog ca | VENDOR CHA | LW""",
    ("Armored truck", "Truck or van"): "Armored Truck | ARMOR | ARMORED TR | DUNBA | AR",
    ("Refrigerated truck", "Truck or van"): """
        Ref box tr | Refrigerated Van | REFRI | Refrig Tru | REFRIGERATED TRUCK | Reefer | REFRG | REFG | REF G | RF""",
    ("Stake or rack truck", "Truck or van"): """
        Stake or Rack | Stake truc | Stake body | STACK | Livestock Rack | Glass Rack | STAK | ST | LS | GR""",
    ("Truck", "Truck or van"): """
        CARGO TRUC | INTERNATIO | INTL | ISUZU | Fuso truck | Truck | TRUC | TUCK | TRK | Commercial | COMME | COMM.
        | COMM TRK | COM T | COMER | COMMM | C0MME | ?OMME | \x7fOMM | LARGE COM VEH(6 OR MORE TIRES)
        | SMALL COM VEH(4 TIRES) | UTILITY | UTILITY TR | UTILITY VE | UTIL | UTILI | ULILI | ULITI | UTLL | UTLIT
        | UTYLI | Work truck | Open Body | Pallet | F350 | F450 | F550 | F650 | 2 TON | SPECIAL PU | MACK
        | Mack truck | HINO | DOT truck | MTA TRUCK | CON ED TRU | NAT GRID T | VERIZ | TK | tr/k | OP | PL | UT
        | COM | SPC""",
    ("Tractor trailer", "Heavy truck"): """
        Kenworth t | PETERBILT | Tractor Truck Diesel | Tractor Truck Gasoline | TRACTOR TR | TRACTOR | TRACT | TRAC
        | SEMI | SEMI- | Semi truck | 18 WH | 18 WHEELER | 18 WEELER | FREIG | FREIGHTLIN | FRIEGHTLIN | FREIGHT TR
        | FREIGHT FL | FRHT | KENWO | PETER | CAR CARRIE | AUTO CARRI | G SEM | DS | TR | TRC | AC""",
    ("Trailer", "Trailer"): """
        X TRL | UHAUL TRAI | CAR TRAILE | TR-TRAILER | TRAILER | TRAIL | x trailer | CARGO TRAI | SEMI TRAIL
        | Tralier | TRIALER | TRIAL | TLR | TRLR | TRL | TRLPM | LTRL | FLTRL | NTTRL | Lowboy | LOG | LB | LG | LP
        | LTR | SEM""",
    ("Flatbed truck", "Heavy truck"): """
        Flat Bed | FLATB | Flatbed Tr | FLAT | FLAT/ | Flat Rack | TRUCK FLAT | PLATF | FB | FR""",
    ("Chassis cab", "Heavy truck"): "Chassis Cab | CHASSIS AND CAB | CB",
    ("Tanker", "Heavy truck"): """
        Tanker | TANKE | TANK | TANK TRUCK | TANK WH | HINO TANK | OIL T | OIL TANKER | FUEL | GAS T | TN""",
    ("Bulk truck", "Heavy truck"): "Bulk Agriculture | Hopper | GRAIN | BA | HO | GN",
    ("Dump truck", "Heavy truck"): "Dump | DUMPS | DUMP TRUK | Dumb Truck | DP",
    ("Garbage truck", "Heavy truck"): """
        Garbage or Refuse | GARBAGE TR | GARBA | GARAB | REFUSE TRU | TRASH | Waste truc | Solid wast | SANIT
        | NYC SANITA | SANAT | SANTIATION | DSNY | DSNY Garba | GG""",
    ("Street sweeper or snow plow", "Heavy truck"): """
        Sweeper tr | Stree swe | Snow Plow | SNOW PLOWE | PLOW TRUCK | PLOW | STREE | STREET SWE | STREET CLE
        | ROAD SWEEP | DSNY SWEEP | SWEEP | SWEEPER | SWEPE | BROOM | SALTSPREAD | SALT TRUCK""",
    ("Tow truck", "Heavy truck"): """
        TOWIN | Tow Truck / Wrecker | TOW TRUCK | TOW | TOW T | TOWTR | TOW R | NYPD TOW T | DEPT TOW T | WRECKER
        | G TOW | E TOW | X TOW | TT""",
    ("Concrete mixer", "Heavy truck"): """
        Concrete Mixer | CONCRETE M | Concrete t | CONCR | CEMENT TRU | (CEME | CEMENT MIX | MIXER | CMIXER | COMIX
        | CM | CMIX""",
    ("Bus", "Bus"): """
        CITY MTA B | NYC MTA BU | Charter bu | Metro tran | Access rid | Bus | BUSS | BUS M | City Bus | MTA BUS
        | MTA B | MTA BUS 4 | MTA | MTA TRANSI | NYC TRANSI | NYCTA | OMNIBUS | OMNIB | LIVERY OMN | TOUR BUS
        | COACH | SHUTTLE BU | SHUTTLE | ACCESS A R | ACCES | BU | OMR | OMNI""",
    ("School bus", "Bus"): """
        School van | School Bus | SCHOO | SHCOO | NYC School | Small scho | YELLOW BUS | YELLOWSCHO | SHORT BUS
        | SCL""",
    ("Ambulance", "Emergency vehicle"): """
        SUBN - AMB | FD Ambulan | Ambulance | AMBULETTE | PRIV AMBUL | FDNY AMBUL | WHITE AMBU | AMBU | AMBUL
        | E AMB | NS AMB | AMUBL | AMULA | ANBUL | ABULA | AMABU | ALMBULANCE | AMBALANCE | AMDU | \ufffdMBU | EMS
        | E.M.S | EMS A | EMS TRUCK | EMS/VAN | EMS BUS | NYC EMS | EMT | FDNY EMS V | FDNY EMT | AM | AMB""",
    ("Fire truck", "Emergency vehicle"): """
        FIRTRUCK | FIRE TRUCK | FIRE | FIRETRUCK | NYC FIRE T | FIRE ENGIN | Fire Depar | FIRE APPAR | FIRE LADDE
        | Fire rig t | FDNY | FDNY ENGIN | FDNY LADDE | NYC FDNY | NYC FD | NYFD | FD NY | FD TR | FD FI | FD Ladder
        | LADDER 34 | LADDE | Engine 26 | ENGIN | PUMPER | PUMPE | PUMPER TRU | RESCU | E ONE | SEAGR | FT""",
    ("Police vehicle", "Emergency vehicle"): """
        Police Dep | POLICE VEH | POLIC | Police car | NYPD | NYPD Traff | RMP | RMP V | MARKED RMP | ESU T
        | ESU RESCUE""",
    ("Motorcycle", "Motorcycle or moped"): """
        Ele motorc | Motorcycle | Motor cycl | Motorbike | MOTOR | MOTER | Minibike | Minicycle | DIRTBIKE | DIRT
        | DIRTB | Gas dirt b | E MOTORCYC | YAMAH | Harley | SLINGSHOT | MCY B | MB | MC | MK | MY | MOT | MCY""",
    ("Moped", "Motorcycle or moped"): """
        Moper | GAS PWR SC | E-moped | Moped | GAS MOPED | moped/scoo | MO PED | MOPD | MOPAD | MOPET | MOPEN
        | MOPPED | Motorscooter | Motor scoo | MOTORIZEDS | MTR S | MOT S | 3 Wheel Sc | GAS SCOOTE | GAS BIKE
        | GAS BICYCL | VESPA | REVEL | REVEL SCOO | E REVEL SC | MD | MS | LMA | LMB | LMC""",
    ("Scooter", "Bicycle or scooter"): """
        Seated sco | Manual sco | Ride on sc | Ninebot | One wheel | Skatboard | Ele. Unicy | SCOOTER | SCOO
        | Black scoo | E-Scooter | E SCO | ELECTRIC S | E-SCOTER | E-SOOTER | SCOTTER | LIME SCOOT | RAZOR SCOO
        | RAZOR | PUSH SCOOT | KICK SCOOT | STAND UP S | Standing S | Skateboard | SKATE | E SKATEBOA | HOVERBOARD
        | SEGWA | UNICYCLE | E-UNICYCLE | ELEC. UNIC""",
    ("Electric bicycle", "Bicycle or scooter"): """
        E Bicycle | E-Bike | E-BIK | E/BIK | E- BI | UNI E-BIKE | ELECTRIC B | ELECTRIC BIC | ELECT | ELEC.
        | E- MOTOR B""",
    ("Bicycle", "Bicycle or scooter"): """
        Bike | BICYCLE | BICYC | Citi bike | Pedal bike | PUSH BIKE | Pedicab | PEDI CAB | Tricycle""",
    ("Construction or farm machine", "Other vehicle"): """
        CATAPILLAR | TRACK EXCA | T630 FORKL | Hyster for | Telehandle | Komatsu | Kubota bac | GENIE
        | LULL | Compact lo | Comp skid | CONST EQUI | BUCKETLOAD | Toolcat | FORKLIFT | FORK | FORKL | Yale fork
        | FOGLIFT | FOGLIT | FOLK LIFT | FORLIFT | FORTL | HI-LO | HILOW | Backhoe | BACKH | BKHOE | BULLDOZER
        | BULLD | BULDOZER | EXCAV | Excavator | ESCAVATOR | CRANE | TRUCK CRAN | BOOM CRANE | Power shov
        | Lift Boom | BOOM LIFT | BOOM | LIFT | SCISS | AERIA | CHERRY PIC | BUCKET TRU | BOBCAT | bobcat sno
        | SKID LOADE | FRONT END | FRONT-LOAD | FRONT | PAY LOADER | LOADE | CATERPILLA | CAT | CAT 4 | JOHN DEERE
        | JOHND | KUBOT | JLG L | Paver | PAVIN | ASPHALT PA | ROAD ROLLE | Well Driller | DRILL RIG | Pump
        | LAWN MOWER | FARM VEHICLE | HARVE | CONSTRUCTI | BD | BH | CR | FL | LD | LF | WD | P/SH""",
    ("Motor home", "Other vehicle"): """
        Motorized Home | motor home | MTR H | R/V | RV/TR | REC VEHICL | CAMPE | CAMP | Van Camper | CAMPER VAN
        | WINNE | WINNIEBAGO | WINEB | MH | VC""",
    ("All-terrain vehicle", "Other vehicle"): """
        All-Terrain Vehicle | ATV | UTV | Multi-Wheeled Vehicle | QUAD | Quadricycl | GO KART | GOKAR | Dune buggy
        | SNOWMOBILE | GATOR | MV""",
    ("Golf cart", "Other vehicle"): "GOLF CART | GOLF KART | GOLF | Low speed | LSV",
    ("Hearse", "Other vehicle"): "HEARSE | HURSE | HR | HRSE",
    ("Horse carriage", "Other vehicle"): "HORSE CARR | H Carriage | Carriage | HORSE | HOSRE | Horse draw",
    ("Wheelchair or mobility scooter", "Other vehicle"): "E Wheelcha | MOBILITY S | Mobility scooter",
    ("Other", "Other vehicle"): "OTHER | OTH | Other Vehicle | Other veh",
    ("Unknown", "Unknown"): """
        Unknown | UNK | UNKNOWN VE | UNNKO | UNLNO | UKN | UKNOWN | UK | YNK | N/A | n/a | NONE | VEHICLE
        | VEHICLE 2 | Left scene | LEFT THE S | SELF INSUR | SELF | GEICO | FORD | CHEVY | CHEVO | CHEVR | TOYOT
        | NISSA | DODGE | Honda | GMC | MERCEDES | WHITE | BLACK | GRAY | 999 | 0 | -- | .""",
    ("Unknown code", "Unknown"): "E - B | M2 | D2 | C-1 | SP | BS | WC | A | APPOR | APORT | OMS | PSD | PSR | SRF",
    ("Unmapped", "Unmapped"): """
        NYC S | Sysco | hovercraft | HOME MADE | Train | tower | LIGHT | vandal | Business | Yello | RENTA | Snow
        | MTA T | Carwash | Emsworth | ICE | VERMONT | Boat | City | Dept | NYC A""",
}  # fmt: skip
SPELLINGS = [(text.strip(" \n"), *kind) for kind, texts in PUBLISHED.items() for text in texts.split("|")]


def compact(text: str) -> str:
    return re.sub(r"[^a-z0-9*?]+", "", text.lower())


@pytest.mark.parametrize(("spelling", "name", "group"), SPELLINGS)
def test_a_spelling_has_its_standard_type_and_group(spelling: str, name: str, group: str) -> None:
    assert (vocabulary.vehicle_type(spelling), vocabulary.vehicle_group(spelling)) == (name, group)


@pytest.mark.parametrize("name", VEHICLE_TYPES)
def test_every_entry_of_the_vocabulary_accounts_for_a_published_spelling(name: str) -> None:
    published = {compact(spelling) for spelling, kind, _ in SPELLINGS if kind == name}

    def accounts_for(entry: str, text: str) -> bool:
        return fnmatchcase(text, entry) or (len(text) >= vocabulary.SHORTEST_CUT and entry.rstrip("*").startswith(text))

    entries = [compact(entry) for entry in f"{VEHICLE_TYPES[name].spellings}, {VEHICLE_TYPES[name].codes}".split(",")]
    idle = [entry for entry in entries if entry and not any(accounts_for(entry, text) for text in published)]
    assert not idle


def test_no_entry_is_given_to_two_types() -> None:
    entries = Counter(
        compact(entry) for kind in VEHICLE_TYPES.values() for entry in f"{kind.spellings},{kind.codes}".split(",")
    )
    assert [entry for entry, times in entries.items() if entry and times > 1] == []


@pytest.mark.parametrize("whole", ["Sanitation truck", "Tractor trailer", "Flat bed", "Ambulance", "Delivery truck"])
def test_a_spelling_cut_at_five_or_ten_characters_is_what_it_was(whole: str) -> None:
    names = {vocabulary.vehicle_type(whole[:width]) for width in (5, 10, None)}
    assert len(names) == 1
    assert names != {"Unmapped"}


def test_a_cut_spelling_that_several_types_begin_with_is_not_guessed() -> None:
    assert vocabulary.vehicle_type("Yellow") == "Unmapped"
    assert vocabulary.vehicle_type("Yellow b") == "School bus"
    assert vocabulary.vehicle_type("Yellow c") == "Taxi"


@pytest.mark.parametrize("name", ["crashes_2022-01.csv", "crashes_api_500.csv", "crashes_quoted_2026_99.csv"])
def test_hardly_any_spelling_of_a_real_extract_is_unmapped(name: str, extract: Callable[[str], Path]) -> None:
    with extract(name).open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    columns = [column for column in rows[0] if "vehicle_type" in column.lower().replace(" ", "_")]
    assert len(columns) == 5
    found = Counter(vocabulary.vehicle_type(row[column]) for row in rows for column in columns if row[column])
    assert found["Unmapped"] * 1000 < found.total()
