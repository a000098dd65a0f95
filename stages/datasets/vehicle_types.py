"""Standard vehicle types, and the spellings that are published for each.

The city's form offers a menu, and officers may type instead. In 2017 and 2018 the city published typed words cut at
five characters, later at ten, and menu entries of some months as two-letter codes.
"""

from __future__ import annotations

from typing import NamedTuple

OTHER, UNKNOWN, UNKNOWN_CODE = "Other", "Unknown", "Unknown code"


class VehicleType(NamedTuple):
    """A standard type: its group, its spellings, and its codes.

    Case, blanks and punctuation do not count; in a spelling, `*` stands for any letters and `?` for one.
    """

    group: str
    spellings: str
    codes: str = ""


# Codes of two letters are vehicle styles of the FBI's National Crime Information Center, whose words the city's menu
# repeats; TK is its code for trucks in general. Longer ones are body types and registration classes of New York State.
VEHICLE_TYPES: dict[str, VehicleType] = {
    "Sedan": VehicleType(
        "Passenger car",
        """
        sedan, 2 dr sedan, 4 dr sedan, 4 sedn, sudan, 2 door, 3 door, 4 door, 2dr, 4dr, passenger vehicle,
        passenger car, passenger, passanger, pass, passe, pas 4dr*, coupe, hatchback, car, smart car, *sedan
        """,
        "2d, 3d, 4d, cp, sd, 2dsd, 4ds, 4dsd, pas",
    ),
    "Convertible": VehicleType("Passenger car", "convertible", "cv, conv"),
    "Station wagon or SUV": VehicleType(
        "Passenger car",
        """
        station wagon / sport utility vehicle, sport utility / station wagon, sport utility vehicle, suv, car/suv,
        suburban, surburban, sub, subr, sbn, sybn, wagon, jeep*, carry all, subn*
        """,
        "ll",
    ),
    "Limousine": VehicleType("Passenger car", "limousine, limo*", "lm, lim"),
    "Taxi": VehicleType(
        "Taxi",
        "taxi*, yellow taxi, yellow cab, cab, livery vehicle, livery car, liver, black car, uber, tlc, tlc ?",
        "omt, oml",
    ),
    "Pick-up truck": VehicleType(
        "Truck or van",
        """
        pick-up truck, pickup with mounted camper, pickup*, pick, pick rd, pkup, ford pick*, ford f150, f150*, f250,
        dodge ram, ram, ridgeline, pick truck
        """,
        "pk, pm, pu",
    ),
    "Van": VehicleType(
        "Truck or van",
        """
        van, van truck, van c, van?, vanette, vab, vav, *van, van ford, minivan, passenger van, 10 passenger van,
        12 passenger van, 15 passenger van, cargo van, cargo, work van, utility van, panel van, dollar van,
        rental van, transit van, transit, sprinter*, ford sprinter, ford econoline, ford transit, econoline,
        ecoline van, ram promaster, promaster, chevy express, van transit, vam, e250, e350
        """,
        "vn, vt",
    ),
    "Box truck": VehicleType(
        "Truck or van",
        """
        box truck, box, box van, box h, boxtruck*, moving van, moving truck, u-haul, u-hau, u-haul truck, u-haul box,
        uhual, uhal*, budget truck, rental truck, ryder, ryder truck, penske*, enclosed body - removable enclosure,
        enclosed body - nonremovable enclosure
        """,
        "en",
    ),
    "Delivery truck": VehicleType(
        "Truck or van",
        """
        delivery truck, delivery van, delivery vehicle, delivery, delvi*, dilevery*, dlvr, del, usps*, uspcs*,
        us postal*, us mail*, usp, usp ?, u.s. post office, postal*, post office, mail, mail truck, llv mail truck,
        ups, ups truck, ups van, ups m, fedex*, fedx, federal express, amazon*, dhl*, courier*, parcel,
        beverage truck, deli*, dlev, llv, bread truck
        """,
        "br, delv",
    ),
    "Food truck": VehicleType(
        "Truck or van",
        """
        food truck, food cart, food trailer, food vend*, mobile food*, comm food, lunch wagon, ice cream truck,
        icecr*, hot dog cart, hotdo*, vendor cha*
        """,
        "lw",
    ),
    "Armored truck": VehicleType("Truck or van", "armored*, dunbar", "ar"),
    "Refrigerated truck": VehicleType("Truck or van", "refrigerated van, refrig*, reefer, refrg, ref box*", "rf, refg"),
    "Stake or rack truck": VehicleType(
        "Truck or van", "stake or rack, stake truck, stake body, stack, livestock rack, glass rack", "st, ls, gr, stak"
    ),
    "Truck": VehicleType(
        "Truck or van",
        """
        truck, truc, tuck, commercial*, comme*, commm*, comer*, comm, comm trk, com truck, c0mme*, omm*,
        large com veh (6 or more tires), small com veh (4 tires), utility, utility truck, utility tr, utility vehicle,
        util*, ulili, uliti, utll, utlit, utyli, work truck, open body, pallet, f350, f450, f550, f650, 2 ton truck,
        special purpose commercial, mack, mack truck, hino, dot truck, mta truck, con ed truck, nat grid truck,
        verizon*, cargo truck, international, intl, isuzu, fuso truck
        """,
        "tk, op, pl, ut, com, spc, trk",
    ),
    "Tractor trailer": VehicleType(
        "Heavy truck",
        """
        tractor truck diesel, tractor truck gasoline, tractor trailer, tractor, semi, semi truck, 18 wh*, 18 weeler,
        freight truck, freightliner, frieghtliner, freight fl, frht, car carrier, auto carrier, g sem, kenworth*,
        peterb*
        """,
        "ds, tr, ac, trac, trc",
    ),
    "Trailer": VehicleType(
        "Trailer",
        "trailer, *trail*, *trai, tralier, trialer, trial, tlr, trl*, lowboy, log, *trl",
        "lb, lg, lp, ltr, trlr, trl, sem",
    ),
    "Flatbed truck": VehicleType(
        "Heavy truck", "flat bed, flatbed truck, flatb*, flat rack, flat, truck flat, platform", "fb, fr"
    ),
    "Chassis cab": VehicleType("Heavy truck", "chassis cab, chassis and cab", "cb"),
    "Tanker": VehicleType(
        "Heavy truck",
        "tanker, tank, tank truck, tank wh, hino tank, oil truck, oil tanker, fuel truck, gas truck",
        "tn",
    ),
    "Bulk truck": VehicleType("Heavy truck", "bulk agriculture, hopper, grain", "ba, ho, gn"),
    "Dump truck": VehicleType("Heavy truck", "dump*, dumb truck", "dp"),
    "Garbage truck": VehicleType(
        "Heavy truck",
        """
        garbage or refuse, garbage truck, garba*, garab*, refuse truck, trash truck, waste truck, solid waste,
        sanitation truck, *sanit*, sanat*, santi*, dsny*, dsny garbage truck
        """,
        "gg",
    ),
    "Street sweeper or snow plow": VehicleType(
        "Heavy truck",
        """
        snow plow, plow truck, plow, snow plower, street sweeper, street cleaner, road sweeper, dsny sweeper, swepe,
        broom, salt spreader, salt truck, sweeper*, stree swe*
        """,
    ),
    "Tow truck": VehicleType(
        "Heavy truck",
        "tow truck / wrecker, tow truck, tow, towtr*, tow r, *towt*, wrecker, g tow, e tow, x tow, towing",
        "tt",
    ),
    "Concrete mixer": VehicleType(
        "Heavy truck",
        "concrete mixer, concrete truck, concrete m*, cement truck, cement mixer, mixer, cmixer, comix",
        "cm, cmix",
    ),
    "Bus": VehicleType(
        "Bus",
        """
        bus, bus?, *bus, mta bus*, mta, mta transit, nyc transit, nycta, omnibus, livery omnibus, tour bus, coach,
        shuttle bus, shuttle, *mta b*, charter bus, metro transit, access*
        """,
        "bu, omr, omni",
    ),
    "School bus": VehicleType(
        "Bus", "school bus, schoo*, shcoo*, small school bus, yellow bus, yellow school bus, short bus, *school*", "scl"
    ),
    "Ambulance": VehicleType(
        "Emergency vehicle",
        """
        ambulance, ambulette, *ambu*, *amb, amub*, amula*, anbul*, abula*, amabu*, almbul*, ambalance, amdu, mbu, ems,
        ems?, ems truck, ems van, ems bus, ny*ems, emt, fdny ems*, fdny emt, subn amb
        """,
        "am, amb, ambu",
    ),
    "Fire truck": VehicleType(
        "Emergency vehicle",
        """
        fire truck, fire, firet*, nyc fire truck, fire engine, fire department, fire apparatus, fire ladder,
        fire rig*, fdny*, nyc fdny*, nyc fd, nyfd, fd ny, fd truck, fd fire truck, fd ladder, ladder*, engine ??,
        engine, pumper, pumper truck, rescue truck, e one, seagrave, firtruck
        """,
        "ft",
    ),
    "Police vehicle": VehicleType(
        "Emergency vehicle", "police vehicle, nypd*, *rmp, rmp v*, esu truck, esu re*, police*"
    ),
    "Motorcycle": VehicleType(
        "Motorcycle or moped",
        """
        motorcycle, motorbike, motor, moter, mini bike, minicycle, dirt bike, dirt, gas dirt bike, e motorcycle,
        yamaha, harley*, slingshot, mcy b, *motorc*
        """,
        "mb, mc, mk, my, mot, mcy",
    ),
    "Moped": VehicleType(
        "Motorcycle or moped",
        """
        moped, *moped*, mopd, mopad, motorscooter, motorized scooter, mtr s, mot s, 3 wheel scooter, gas scooter,
        gas bike, gas bicycle, vespa*, revel, revel scooter, e revel scooter, mope*, mopp*, gas pwr scooter
        """,
        "md, ms, lma, lmb, lmc",
    ),
    "Scooter": VehicleType(
        "Bicycle or scooter",
        """
        scooter, *scoo*, e-scooter, electric scooter, e-scoter, e-sooter, scotter, lime scooter, razor scooter, razor,
        push scooter, kick scooter, stand up scooter, standing scooter, standing s*, skateboard, *skateb*,
        e skateboard, electric skateboard, hoverboard, segway, seated scooter, manual scooter, ride on scooter,
        ninebot, one wheel, skatboard, *unic*
        """,
    ),
    "Electric bicycle": VehicleType(
        "Bicycle or scooter",
        "e-bike, *ebike*, e bi, electric bike, electric bicycle, elect, elec, e motor bike, e bicycle",
    ),
    "Bicycle": VehicleType("Bicycle or scooter", "bike, bicycle, citi bike, pedal bike, push bike, pedicab, tricycle"),
    "Construction or farm machine": VehicleType(
        "Other vehicle",
        """
        forklift, foglift, foglit, folk lift, forlift, fortl, hi-lo, hilow, backhoe*, back hoe, bkhoe, bulldozer,
        buldozer, escavator, crane, truck crane, boom crane, power shovel, lift boom, boom*, lift, scissor lift,
        aerial lift, cherry picker, bobcat*, skid*, front end l*, front load*, payloader, loader, caterpillar, cat,
        cat?, john deere, johnd, jlg ?, paver, paving*, asphalt pa*, road roller, well driller, drill rig, pump,
        lawn mower, farm vehicle, harvester, construction*, catapillar, *exca*, *fork*, hyster*, telehandler, komatsu,
        kubota*, genie, lull, *compact lo*, comp skid, const equi*, bucket*, toolcat
        """,
        "bd, bh, cr, fl, ld, lf, wd, p/sh",
    ),
    "Motor home": VehicleType(
        "Other vehicle",
        """
        motorized home, motor home, mtr home, r/v, rv*, rec vehicle, camper, camp, van camper, camper van, winnebago,
        winniebago, wineb
        """,
        "mh, vc",
    ),
    "All-terrain vehicle": VehicleType(
        "Other vehicle",
        """
        all-terrain vehicle, atv*, utv*, multi-wheeled vehicle, quad, quadricycle, go kart, dune buggy, snowmobile,
        gator
        """,
        "mv",
    ),
    "Golf cart": VehicleType("Other vehicle", "golf cart, golf kart, golf, low speed vehicle, lsv"),
    "Hearse": VehicleType("Other vehicle", "hearse, hurse", "hr, hrse"),
    "Horse carriage": VehicleType("Other vehicle", "horse carriage, h carriage, carriage, horse, hosre, horse draw*"),
    "Wheelchair or mobility scooter": VehicleType("Other vehicle", "mobility scooter, mobility s*, *wheelch*"),
    OTHER: VehicleType("Other vehicle", "other, oth, other vehicle, other veh"),
    UNKNOWN: VehicleType(
        UNKNOWN,
        """
        unknown, unk*, unnko, unlno, ukn*, uknown, uk, ynk, n/a, none, vehicle, vehicle ?, left scene, left the scene,
        self insured, self, geico, ford, chevy, chevo, chevrolet, toyota, nissan, dodge, honda, gmc, mercedes, white,
        black, gray
        """,
    ),
    # the plates' class, which says who owns the vehicle
    UNKNOWN_CODE: VehicleType(UNKNOWN, "apportioned, aport", "oms, psd, psr, srf"),
}
