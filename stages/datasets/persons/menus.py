"""The menus of persons, and what their standard names mean for a count."""

from __future__ import annotations

from stages.datasets.menus import Menu
from stages.datasets.vehicle_types import UNKNOWN

NOT_APPLICABLE = "Does Not Apply"

TYPE = Menu({"Bicyclist": "Cyclist", "Occupant": "", "Other Motorized": "", "Pedestrian": ""})
ROLE = Menu(
    {
        "Driver": "",
        "In-Line Skater": "",
        "Notified Person": "",
        "Other": "",
        "Owner": "",
        "Passenger": "",
        "Pedestrian": "",
        "Policy Holder": "",
        "Registrant": "",
        "Witness": "",
    }
)
# These are named in the report, and were not in the collision for what they are named for.
NOT_CASUALTIES = frozenset({"Notified Person", "Owner", "Policy Holder", "Registrant", "Witness"})

INJURY = Menu({"Injured": "", "Killed": "", "Unspecified": ""})
EJECTION = Menu(
    {"Not Ejected": "", "Partially Ejected": "", "Ejected": "", "Trapped": "", NOT_APPLICABLE: "Not Applicable"}
)
EMOTIONAL_STATUS = Menu(
    {
        "Apparent Death": "",
        "Conscious": "",
        "Incoherent": "",
        "Semiconscious": "",
        "Shock": "",
        "Unconscious": "",
        NOT_APPLICABLE: "Not Applicable",
    }
)
BODY_PART = Menu(
    {
        "Abdomen - Pelvis": "",
        "Back": "",
        "Chest": "",
        "Elbow-Lower-Arm-Hand": "",
        "Entire Body": "",
        "Eye": "",
        "Face": "",
        "Head": "",
        "Hip-Upper Leg": "",
        "Knee-Lower Leg Foot": "",
        "Neck": "",
        "Shoulder - Upper Arm": "",
        NOT_APPLICABLE: "Not Applicable",
    }
)
COMPLAINT = Menu(
    {
        "Abrasion": "",
        "Amputation": "",
        "Complaint of Pain": "",
        "Complaint of Pain or Nausea": "",
        "Concussion": "",
        "Contusion - Bruise": "",
        "Crush Injuries": "",
        "Fracture - Distorted - Dislocation": "Fracture - Dislocation",
        "Internal": "",
        "Minor Bleeding": "",
        "Minor Burn": "",
        "Moderate Burn": "",
        "None Visible": "",
        "Paralysis": "",
        "Severe Bleeding": "",
        "Severe Burn": "",
        "Severe Lacerations": "",
        "Whiplash": "",
        NOT_APPLICABLE: "Not Applicable",
    }
)
POSITION = Menu(
    {
        "Driver": "",
        "Front passenger": ("Front passenger, if two or more persons, including the driver, are in the front seat"),
        "Middle front seat": "Middle front seat, or passenger lying across a seat",
        "Left rear": "Left rear passenger, or rear passenger on a bicycle, motorcycle, snowmobile",
        "Middle rear seat": "Middle rear seat, or passenger lying across a seat",
        "Right rear": "Right rear passenger or motorcycle sidecar passenger",
        "Cargo area or bus": ("Any person in the rear of a station wagon, pick-up truck, all passengers on a bus, etc"),
        "On another's lap": (
            "If one person is seated on another person's lap|If one person is seated on another person&apos;s lap"
        ),
        "On the outside": "Riding/Hanging on Outside",
        NOT_APPLICABLE: "Not Applicable",
    }
)
SAFETY_EQUIPMENT = Menu(
    {
        "Air Bag Deployed": "",
        "Air Bag Deployed/Child Restraint": "",
        "Air Bag Deployed/Harness": "",
        "Air Bag Deployed/Lap Belt": "",
        "Air Bag Deployed/Lap Belt/Harness": "",
        "Child Restraint Only": "Child Restraint",
        "Harness": "",
        "Helmet (Motorcycle Only)": "",
        "Helmet Only (In-Line Skater/Bicyclist)": "",
        "Helmet/Other (In-Line Skater/Bicyclist)": "",
        "Lap Belt": "",
        "Lap Belt & Harness": "Lap Belt/Harness|Lap Belt and Harness",
        "None": "",
        "Other": "",
        "Pads Only (In-Line Skater/Bicyclist)": "",
        "Stoppers Only (In-Line Skater/Bicyclist)": "",
    }
)
LOCATION = Menu(
    {
        "At intersection": "Pedestrian/Bicyclist/Other Pedestrian at Intersection",
        "Not at intersection": "Pedestrian/Bicyclist/Other Pedestrian Not at Intersection",
        NOT_APPLICABLE: "Not Applicable",
    }
)
ACTION = Menu(
    {
        "Crossing Against Signal": "",
        "Crossing With Signal": "",
        "Crossing, No Signal, Marked Crosswalk": "",
        "Crossing, No Signal, or Crosswalk": "",
        "Emerging from in Front of/Behind Parked Vehicle": "",
        "Getting On/Off Vehicle Other Than School Bus": "",
        "Going to/From Stopped School Bus": "",
        "Not in Roadway": "Not in Roadway (Indicate)",
        "Other Actions in Roadway": "Other in Roadway",
        "Playing in Roadway": "",
        "Pushing/Working on Car": "",
        "Riding/Walking Along Highway Against Traffic": "Riding/Walking/Skating Along Highway Against Traffic",
        "Riding/Walking Along Highway With Traffic": "Riding/Walking/Skating Along Highway With Traffic",
        "Working in Roadway": "",
        NOT_APPLICABLE: "Not Applicable",
    }
)


def restraint(equipment: str) -> str:
    """Standard safety equipment → seat belt, child restraint, helmet, none, other or unknown. An air bag alone says
    nothing about the belt.
    """
    for word, kind in (("Lap Belt", "Seat belt"), ("Harness", "Seat belt"), ("Child", "Child restraint")):
        if word in equipment:
            return kind
    if equipment.startswith("Helmet"):
        return "Helmet"
    if equipment in {"None", "Other"}:
        return equipment
    return "Other" if equipment.startswith(("Pads", "Stoppers")) else UNKNOWN
