"""The menus of vehicles."""

from __future__ import annotations

from stages.datasets.menus import Menu

LICENCE_STATUS = Menu(
    {"Licensed": "License|Licenced", "Permit": "Learner Permit", "Unlicensed": "Unlicenced|No License"}
)
DIRECTION = Menu(
    {
        "North": "N",
        "Northeast": "NE|North East",
        "East": "E",
        "Southeast": "SE|South East",
        "South": "S",
        "Southwest": "SW|South West",
        "West": "W",
        "Northwest": "NW|North West",
        "Unknown": "U",
    }
)
PRE_CRASH = Menu(
    {
        "Avoiding Object in Roadway": "",
        "Backing": "",
        "Changing Lanes": "",
        "Entering Parked Position": "",
        "Going Straight Ahead": "Going Straight",
        "Making Left Turn": "",
        "Making Left Turn on Red": "",
        "Making Right Turn": "",
        "Making Right Turn on Red": "",
        "Making U Turn": "",
        "Merging": "",
        "Other": "",
        "Parked": "",
        "Passing": "Overtaking/Passing|Overtaking",
        "Police Pursuit": "",
        "Slowing or Stopping": "",
        "Starting from Parking": "",
        "Starting in Traffic": "",
        "Stopped in Traffic": "",
    }
)
PART = Menu(
    {
        "Center Back End": "",
        "Center Front End": "",
        "Demolished": "",
        "Left Front Bumper": "",
        "Left Front Quarter Panel": "",
        "Left Rear Bumper": "",
        "Left Rear Quarter Panel": "",
        "Left Side Doors": "",
        "No Damage": "",
        "Other": "",
        "Overturned": "",
        "Right Front Bumper": "",
        "Right Front Quarter Panel": "",
        "Right Rear Bumper": "",
        "Right Rear Quarter Panel": "",
        "Right Side Doors": "",
        "Roof": "",
        "Trailer": "",
        "Undercarriage": "",
    }
)
PROPERTY_DAMAGE = Menu({"No": "N", "Yes": "Y", "Unspecified": ""})

# Who registers vehicles and licenses drivers: names → the codes on plates and in the state's records.
STATE = Menu(
    {
        "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
        "Connecticut": "CT", "Delaware": "DE", "District of Columbia": "DC", "Florida": "FL", "Georgia": "GA",
        "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS",
        "Kentucky": "KY", "Louisiana": "LA", "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI",
        "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV",
        "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY", "North Carolina": "NC",
        "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA",
        "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX",
        "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington": "WA", "West Virginia": "WV", "Wisconsin": "WI",
        "Wyoming": "WY", "Puerto Rico": "PR", "Virgin Islands": "VI", "Guam": "GU", "American Samoa": "AS",
        "Alberta": "AB", "British Columbia": "BC", "Manitoba": "MB", "New Brunswick": "NB", "Newfoundland": "NF|NL",
        "Northwest Territories": "NT", "Nova Scotia": "NS", "Nunavut": "NU", "Ontario": "ON",
        "Prince Edward Island": "PE", "Quebec": "QC|PQ|QB", "Saskatchewan": "SK", "Yukon": "YT", "Mexico": "MX",
        "United States Government": "GV|US", "Diplomat": "DP", "Foreign country": "FO|FC|Foreign",
    }
)  # fmt: skip
