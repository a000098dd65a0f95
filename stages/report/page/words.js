// Wording: the pieces that the sentences are made of.

const FEW = 20; // of fewer, neither a percentage nor a "most" tells anything
const NOUNS = {
  all: ["person", "people"],
  pedestrians: ["pedestrian", "pedestrians"],
  cyclists: ["cyclist", "cyclists"],
  motorists: ["motorist", "motorists"],
  others: ["other road user", "other road users"],
};
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MONTH_NAMES = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const capital = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;
const day = (iso) => new Date(`${iso}T12:00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const moved = (iso, days) => new Date(Date.parse(`${iso}T12:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
const yearRange = (filter) => (filter.from === filter.to ? `${filter.from}` : `${filter.from} to ${filter.to}`);
const add = (rows, measure) => rows.reduce((sum, row) => sum + row[measure], 0);
const listed = (words) => words.join(", ").replace(/, (?=[^,]*$)/, " and ");
const say = (part, text) => { byId(`${part}-said`).textContent = text; };

/** A part of a whole in percent, which is neither 0 nor 100 unless the part is. */
function percent(part, whole) {
  const rounded = Math.round((100 * part) / whole);
  return rounded === 0 && part ? "under 1%" : rounded === 100 && part < whole ? "over 99%" : `${rounded}%`;
}

/** A part of a whole in percent, or that it is the whole. */
const allOr = (part, whole) => (part === whole ? "all of them" : percent(part, whole));

/** Not one of so many. */
const noneOf = (count) => (count === 2 ? "Neither" : "None");

/** So many of the road users that the filter means. */
const people = (filter, count) => plural(count, ...NOUNS[USERS[filter.user]]);

/** How many were injured and killed. */
const harmed = (filter, injured, killed) => `${people(filter, injured)} ${injured === 1 ? "was" : "were"} injured and ${format(killed)} killed`;

/** Which collisions the filter means, to go after "collisions". */
function subject(filter) {
  const where = filter.borough < 0 ? "" : filter.borough === HEAD.boroughs.length - 1 ? " without a stated borough" : ` in ${HEAD.boroughs[filter.borough].replace("Bronx", "the Bronx")}`;
  return `${where}${filter.user ? ` in which ${NOUNS[USERS[filter.user]][1]} were hurt` : ""}`;
}

/** The rows of which a measure is largest: several if they tie, none if it is zero. */
function leaders(rows, measure) {
  const most = Math.max(0, ...rows.map(measure));
  return most ? rows.filter((row) => measure(row) === most) : [];
}

/** The row of which a measure is largest; nothing where it is zero, or another has as many. */
function leader(rows, measure) {
  const found = leaders(rows, measure);
  return found.length === 1 ? found[0] : undefined;
}

/** Why there is nothing to show under a filter; empty where there is something. */
function nothing(cube, filter) {
  if (matching(cube, filter).collisions) return "";
  return heldMonths(cube, filter).held.every((state) => state === MISSING) ? `The data hold nothing of ${yearRange(filter)}.` : "No collision matches this filter.";
}
