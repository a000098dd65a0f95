// The page's parts, each made anew whenever the filter changes, and the sentences that say what one sees.

const USER_WORDS = { all: "everybody", pedestrians: "pedestrians", cyclists: "cyclists", motorists: "motorists", others: "other road users" };
const share = (part, whole) => (whole ? `${Math.round((100 * part) / whole)}%` : "none");
const capital = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;
const day = (iso) => new Date(`${iso}T12:00:00Z`).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const moved = (iso, days) => new Date(Date.parse(`${iso}T12:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
const add = (rows, measure) => rows.reduce((sum, row) => sum + row[measure], 0);
const yearRange = (filter) => (filter.from === filter.to ? `${filter.from}` : `${filter.from} to ${filter.to}`);
const NOTHING = "Nothing matches this filter.";

function change(now, before) {
  if (!before) return now ? "none a year ago" : "as a year ago: none";
  if (now === before) return "as many as a year ago";
  const percent = Math.round((100 * (now - before)) / before);
  return `${percent ? `${Math.abs(percent)}% ${percent > 0 ? "more" : "fewer"} than` : "about as many as"} the ${format(before)} a year ago`;
}

/** The row of which a measure is largest; nothing where it is zero, or another has as many. */
function leader(rows, measure) {
  const [first, second] = [...rows].sort((one, other) => measure(other) - measure(one));
  return first && measure(first) && !(second && measure(second) === measure(first)) ? first : undefined;
}

// What the data hold of a month, as stages/report/held.py decides it: all but a few days at most, or the newest month so far.
const [MISSING, PART, WHOLE, NOT_OVER] = [0, 1, 2, 3];

/** The months of the chosen years from the oldest to the newest day: their first number in the cube, and what is held of each. */
function heldMonths(cube, filter) {
  const within = (month) => Math.min(Math.max(month, monthOf(HEAD.oldest)), monthOf(HEAD.newest) + 1);
  const first = within((filter.from - HEAD.firstYear) * 12);
  return { first, held: [...cube.monthHeld.data.slice(first, within((filter.to - HEAD.firstYear + 1) * 12))] };
}

/** That the chosen months are not all there, where they are not. */
function showHeld(cube, filter) {
  const { first, held } = heldMonths(cube, filter);
  const name = (month) => `${MONTH_NAMES[month % 12]} ${HEAD.firstYear + Math.floor(month / 12)}`;
  const count = (...states) => held.filter((state) => states.includes(state)).length;
  const parts = [[count(WHOLE), "whole"], [count(PART, NOT_OVER), "in part"], [count(MISSING), "not at all"]].filter(([months]) => months);
  byId("held").hidden = !count(PART, MISSING);
  byId("held").textContent = held.length === 1 ? `The data have ${held[0] === MISSING ? "nothing" : "only a part"} of ${name(first)}; all numbers below are of what they have.`
    : `Of the ${held.length} months from ${name(first)} to ${name(first + held.length - 1)} the data have ${parts.map(([months, how]) => `${format(months)} ${how}`).join(", ").replace(/, (?=[^,]*$)/, " and ")}; all numbers below are of what they have.`;
}

/** Who and where the filter means, for a sentence. */
function subject(filter) {
  const where = filter.borough < 0 ? "" : filter.borough === HEAD.boroughs.length - 1 ? ", borough not stated" : ` in ${HEAD.boroughs[filter.borough].replace("Bronx", "the Bronx")}`;
  const who = filter.user ? ` with ${USER_WORDS[USERS[filter.user]]} hurt` : "";
  return `${who}${where}`;
}

function showToday(cube, filter) {
  const year = filter.to - HEAD.firstYear;
  const { shape: [, , boroughs, users, measures], data } = cube.window;
  const total = [0, 1].map((earlier) => {
    const row = [0, 0, 0];
    for (let borough = 0; borough < boroughs; borough++) {
      if (filter.borough >= 0 && borough !== filter.borough) continue;
      for (let n = 0; n < 3; n++) row[n] += data[((((year * 2 + earlier) * boroughs + borough) * users + filter.user) * measures) + n];
    }
    return row;
  });
  const end = filter.to < Number(HEAD.newest.slice(0, 4)) ? `${filter.to}-12-31` : HEAD.newest;
  const [now, before] = total;
  const [days, daysBefore] = cube.windowHeld.data.slice(year * 2, year * 2 + 2);
  const comparable = days === 28 && daysBefore === 28;
  const absent = !days && !now[0]; // unknown is not zero
  const note = (value, earlier) => (absent ? "no data" : comparable ? change(value, earlier) : days < 28 ? `${days ? `${days} of 28 days ${days === 1 ? "is" : "are"}` : "none of the 28 days is wholly"} in the data` : `nothing to compare with: the year before is not ${daysBefore ? "wholly " : ""}in the data`);
  const tile = (kind, value, word, earlier) => html("div", { class: `tile ${kind}` }, html("b", {}, absent ? "–" : format(value)), `${word} `, html("br"), html("span", { class: "soft" }, note(value, earlier)));
  fill("today-tiles", tile("", now[0], "collisions", before[0]), tile("", now[1], "injured", before[1]), tile("killed", now[2], "killed", before[2]));
  const trend = !comparable ? "" : now[0] === before[0] ? ", as many as a year earlier" : `, ${format(Math.abs(now[0] - before[0]))} ${now[0] > before[0] ? "more" : "fewer"} than on the same days of the week a year earlier`;
  const span = `${day(moved(end, -27))} to ${day(end)}`;
  const counted = `${plural(now[0], "collision")}${subject(filter)}`;
  const harmed = `${plural(now[1], "person was", "people were")} injured and ${format(now[2])} killed`;
  const lonely = comparable ? "" : ` There is nothing to compare this with${days < 28 ? "" : `: the same days of the week a year earlier are not ${daysBefore ? "all " : ""}in the data`}.`;
  byId("today-said").textContent = absent ? `None of the 28 days from ${span} is in the data.`
    : days < 28 ? `Of the 28 days from ${span} ${days ? `only ${days} ${days === 1 ? "is" : "are"}` : "none is wholly"} in the data: ${counted}; ${harmed}.${lonely}`
      : `From ${span} the police recorded ${counted}${trend}; ${harmed}.${lonely}`;
  const behindDays = Math.floor((Date.now() - Date.parse(`${HEAD.newest}T00:00:00Z`)) / 86400000);
  byId("today-newest").textContent = `The newest day is ${day(HEAD.newest)}${behindDays > 0 ? `, ${plural(behindDays, "day")} ago` : ""}.${HEAD.standsStill ? "" : ` ${HEAD.sourceAge}`}`;
  const old = behindDays > HEAD.staleDays;
  byId("still").hidden = !HEAD.standsStill && !old;
  byId("still").textContent = `${HEAD.standsStill ? `${HEAD.sourceAge} New York City usually publishes within a few days.` : `These numbers are not current: the newest collision is ${plural(behindDays, "day")} old.`} “The last 28 days” are those up to ${day(end)}.`;
  fill("today-table", behind("28 days and the same days of the week a year earlier", ["", "28 days", "A year earlier"], ["Collisions", "Injured", "Killed"].map((name, n) => [name, absent ? "no data" : `${format(now[n])}${days < 28 ? " (in part)" : ""}`, daysBefore === 28 ? before[n] : daysBefore || before[0] ? `${format(before[n])} (in part)` : "no data"])));
}

function showTime(cube, filter) {
  const perYear = { keepTime: true, perYear: 12 };
  const months = sums(cube.month, filter, perYear);
  const { first, held } = heldMonths(cube, filter);
  const from = first - (filter.from - HEAD.firstYear) * 12;
  const until = from + held.length;
  const label = (n) => `${filter.from + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, "0")}`;
  const labels = held.map((_, n) => label(from + n));
  const shown = (value, state) => (state === undefined ? "–" : state === MISSING ? "no data" : state === WHOLE ? value : `${format(value)} (in part)`);
  const users = filter.user ? [filter.user] : [1, 2, 3, 4];
  const byUser = users.map((user) => ({ name: USERS[user], rows: sums(cube.month, filter, { ...perYear, user }).slice(from, until) }));
  fill("legend", ...byUser.map(({ name }) => html("li", {}, html("i", { class: `fill-${name}` }), name)),
    ...(held.some((state) => state === PART || state === NOT_OVER) ? [html("li", {}, html("i", { class: "part fill-all" }), "paler: a month in part")] : []),
    ...(held.includes(MISSING) ? [html("li", {}, html("i", { class: "missing" }), "no data")] : []));
  for (const [measure, id, word] of [[1, "injured", "Injured"], [2, "killed", "Killed"]]) {
    const layers = byUser.map(({ name, rows }) => ({ name, values: rows.map((row) => row[measure]) }));
    if (!add(layers.flatMap(({ values }) => values).map((value) => [value]), 0)) { // an empty chart says less
      fill(id, html("p", { class: "soft" }, held.every((state) => state === MISSING) ? "No data." : `Nobody was ${word.toLowerCase()}${held.some((state) => state < WHOLE) ? " in the collisions of the data" : ""}.`));
      continue;
    }
    fill(id, bars(id, `${word} by month and road user; the table below has the numbers`, labels, layers, held),
      behind(`${word} by month`, ["Month", ...layers.map(({ name }) => name)], labels.map((month, n) => [month, ...layers.map(({ values }) => shown(values[n], held[n]))]).reverse()));
  }
  const hurt = (rows) => add(rows, 1);
  const most = leader(byUser, ({ rows }) => hurt(rows));
  const deadliest = leader(byUser, ({ rows }) => add(rows, 2));
  const injured = add(months, 1);
  const killed = add(months, 2);
  const ofKilled = deadliest && `of the killed (${share(add(deadliest.rows, 2), killed)})`;
  const largest = most ? `${capital(most.name)} were the largest group of the injured (${share(hurt(most.rows), injured)})${!ofKilled ? "" : deadliest === most ? ` and ${ofKilled}` : `, ${deadliest.name} ${ofKilled}`}.`
    : deadliest ? `${capital(deadliest.name)} were the largest group ${ofKilled}.` : "";
  byId("time-said").textContent = !add(months, 0) ? NOTHING
    : filter.user ? `${plural(injured, "person was", "people were")} injured and ${format(killed)} killed in ${plural(add(months, 0), "collision")}${subject(filter)}, ${yearRange(filter)}.`
      : `${plural(injured, "person was", "people were")} injured and ${format(killed)} killed in ${plural(add(months, 0), "collision")}${subject(filter)}. ${largest}`;
  const years = [];
  for (let year = 0; year * 12 < months.length; year++) {
    const states = MONTHS.map((_, n) => held[year * 12 + n - from]);
    years.push({ year: filter.from + year, states, counts: MONTHS.map((_, n) => months[year * 12 + n][0]) });
  }
  const drawn = years.map(({ year, states, counts }) => ({ year, values: counts.map((count, n) => (states[n] === WHOLE ? count : null)) })).filter(({ values }) => values.some((value) => value !== null));
  const lines = drawn.flatMap(({ values }) => values).filter((value) => value !== null).length > 1; // else there is no line to draw
  fill("years", lines ? yearLines("years", "Collisions by month, a line for each year; the table below has the numbers", drawn) : "",
    behind("Collisions by month and year", ["Year", ...MONTHS], years.map(({ year, states, counts }) => [`${year}`, ...counts.map((count, n) => shown(count, states[n]))]).reverse()));
  const full = drawn.filter(({ values }) => !values.includes(null)).map(({ year, values }) => [year, values.reduce((sum, value) => sum + value, 0)]);
  const best = full.length > 1 && leader(full, ([, count]) => count);
  const least = full.length > 1 && leader(full, ([, count]) => 1 / (1 + count));
  const extremes = best && least ? `Of the ${full.length} years whose months are all whole, ${best[0]} had the most collisions${subject(filter)} (${format(best[1])}) and ${least[0]} the fewest (${format(least[1])}). ` : "";
  const kinds = drawn.length < 2 ? "" : `${drawn[drawn.length - 1].year} is in colour, ${drawn[drawn.length - 2].year} ${drawn[drawn.length - 2].values.some((value, n, all) => n && value !== null && all[n - 1] !== null) ? "dashed" : "as dots"}${drawn.length > 2 ? ", earlier years are grey" : ""}. `;
  byId("years-said").textContent = lines ? `${extremes}${kinds}Months that are not over, or that the data have only in part, are left out.` : "Fewer than two months are whole, so there is no line to draw.";
}

const age = (band) => band.replace(/^0+(?=\d)/, ""); // the bands sort as text
const monthOf = (iso) => (Number(iso.slice(0, 4)) - HEAD.firstYear) * 12 + Number(iso.slice(5, 7)) - 1;

function showWhen(cube, filter) {
  const hours = sums(cube.when, filter);
  const total = add(hours, 0);
  const peak = leader(hours.map((row, n) => [n, row[0]]), ([, count]) => count);
  const years = cube.weekdayHeld.data.slice((filter.from - HEAD.firstYear) * 7, (filter.to - HEAD.firstYear + 1) * 7);
  const daysHeld = DAYS.map((_, weekday) => years.reduce((sum, days, n) => (n % 7 === weekday ? sum + days : sum), 0));
  const uneven = Math.max(...daysHeld) > 1.1 * Math.min(...daysHeld) ? ` The data have some days of the week more often than others (${DAYS.map((name, n) => `${name} ${format(daysHeld[n])}`).join(", ")}), which these counts follow.` : "";
  const words = (n) => `${["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"][Math.floor(n / 24)]} from ${n % 24}:00 to ${(n % 24) + 1}:00`;
  const night = hours.reduce((sum, row, n) => sum + (n % 24 >= 22 || n % 24 < 6 ? row[1] : 0), 0);
  const busiest = total === 1 ? `One collision${subject(filter)} states its time: it was on a ${words(peak[0]).replace("days", "day")}.`
    : peak ? `The hour of the week with the most collisions${subject(filter)} is on ${words(peak[0])} (${format(peak[1])}).` : `No hour of the week has more collisions${subject(filter)} than all others.`;
  const fatal = add(hours, 1);
  const atNight = fatal === 1 ? ` The fatal one ${night ? "happened" : "did not happen"}` : ` ${format(night)} of the ${format(fatal)} fatal ones (${share(night, fatal)}) happened`;
  byId("when-said").textContent = !total ? "No collision of this filter states its time." : `${busiest}${fatal ? `${atNight} between 22:00 and 6:00.` : " None was fatal."}${total > 1 ? uneven : ""}`;
  const rows = (measure) => Array.from({ length: 24 }, (_, hour) => [`${hour}:00`, ...DAYS.map((_day, row) => hours[row * 24 + hour][measure])]);
  const key = (measure, what) => html("p", { class: "soft" }, `The stronger the colour, the more; the strongest stands for ${plural(Math.max(...hours.map((row) => row[measure])), what)}.`);
  fill("hours", heat("Collisions by hour and day of the week; the table below has the numbers", hours.map((row) => row[0]), ""), key(0, "collision"), behind("Collisions by hour and day", ["Hour", ...DAYS], rows(0)));
  if (!add(hours, 1)) fill("fatal-hours", html("p", { class: "soft" }, "No collision was fatal."));
  else fill("fatal-hours", heat("Fatal collisions by hour and day of the week; the table below has the numbers", hours.map((row) => row[1]), "fatal"), key(1, "fatal collision"), behind("Fatal collisions by hour and day", ["Hour", ...DAYS], rows(1)));
}

function worstPlaces(cube, filter) {
  const { shape: [years, places, users], data } = cube.place;
  const found = [];
  for (let place = 0; place < places; place++) {
    if (filter.borough >= 0 && HEAD.places[place][1] !== filter.borough) continue;
    let injured = 0;
    let killed = 0;
    for (let year = filter.from - HEAD.firstYear; year <= filter.to - HEAD.firstYear && year < years; year++) {
      const at = ((year * places + place) * users + filter.user) * 2;
      injured += data[at];
      killed += data[at + 1];
    }
    if (injured + killed) found.push({ place, injured, killed });
  }
  return found.sort((a, b) => b.injured + b.killed - a.injured - a.killed || b.killed - a.killed || a.place - b.place).slice(0, 10);
}

function showWhere(cube, filter) {
  const seen = drawMap(cube, filter);
  byId("map").setAttribute("aria-label", `Map: ${plural(seen.shown, "collision")} in ${plural(seen.cells, "place")} of about ${HEAD.grid.metres} m, ${format(seen.fatal)} of them fatal; the worst intersections are in the list`);
  const list = worstPlaces(cube, filter);
  const casualties = ({ injured, killed }) => injured + killed;
  const worst = leader(list, casualties);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  byId("where-said").textContent = !seen.shown ? "No collision with coordinates matches this filter."
    : `The map shows ${plural(seen.shown, "collision")}${subject(filter)} with coordinates${seen.most > 1 ? `; a ${dark ? "brighter" : "darker"} spot had more` : ""}${seen.fatal ? `; ${seen.fatal === 1 ? "a red dot marks the fatal one" : `red dots mark the ${format(seen.fatal)} fatal ones`}` : ""}.${!list.length ? "" : worst ? ` The intersection with the most people hurt (${format(casualties(worst))}) is ${HEAD.places[worst.place][0]}.` : ` No intersection stands out: several have ${plural(casualties(list[0]), "person", "people")} hurt, none has more.`}`;
  const rows = list.map(({ place, injured, killed }) => {
    const [name, borough, latitude, longitude] = HEAD.places[place];
    const button = html("button", { type: "button" }, name);
    button.disabled = latitude === null;
    button.addEventListener("click", () => {
      MAP.marked = [(longitude - HEAD.grid.corner[0]) * HEAD.grid.degree[0], (latitude - HEAD.grid.corner[1]) * HEAD.grid.degree[1]];
      moveMap(...MAP.marked, Math.max(1, 8 / MAP.scale));
      drawMap(cube, filter);
      byId("map-note").textContent = `The map shows ${name}, circled.`;
      byId("map").scrollIntoView({ block: "nearest" });
    });
    return [html("span", {}, button, html("span", { class: "soft" }, ` ${borough === HEAD.boroughs.length - 1 ? "borough not stated" : HEAD.boroughs[borough]}`)), injured, killed];
  });
  fill("worst", list.length ? table("The intersections with the most injured and killed; choose one to see it on the map", ["Intersection", "Injured", "Killed"], rows) : html("p", { class: "soft" }, "No intersection with casualties matches this filter."));
}

function ranked(cube, filter, name, skipped = []) {
  return sums(cube[name], filter).map((row, n) => [HEAD.names[name][n], ...row]).filter((row) => !skipped.includes(row[0]) && row.slice(1).some(Boolean));
}

function showWhy(cube, filter) {
  const unstated = ["Not stated", "Unspecified", "Unknown", "Unknown code", "Unmapped"];
  const stated = {};
  for (const [name, id, caption] of [["factor", "factors", "Contributing factor"], ["vehicle", "vehicles", "Vehicle type"]]) {
    const rows = ranked(cube, filter, name, unstated).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    stated[name] = rows;
    const all = sums(cube[name], filter);
    const without = add(all, 0) - rows.reduce((sum, row) => sum + row[1], 0);
    fill(id, table(`${caption} of the first vehicle: the twelve named most often`, [caption, "Collisions", "Injured", "Killed"], rows.slice(0, 12), { bar: 1 }),
      html("p", { class: "soft" }, without ? `${plural(without, "collision")} of ${format(add(all, 0))} (${share(without, add(all, 0))}) ${without === 1 ? "names" : "name"} none.` : add(all, 0) ? "Every collision names one." : ""));
  }
  const top = leader(stated.factor, (row) => row[1]);
  const killing = leader(stated.factor, (row) => row[3]);
  const most = top ? `The contributing factor that the police named most often is ${top[0]} (${format(top[1])})` : "No contributing factor was named more often than all others";
  byId("why-said").textContent = !stated.factor.length ? "No collision of this filter names a contributing factor." : `${most}${!killing ? "" : killing === top ? `, which also has the most killed (${format(killing[3])})` : `; the one with the most killed is ${killing[0]} (${format(killing[3])})`}.`;
  const pairs = ranked(cube, filter, "pair");
  const collisions = add(pairs, 1);
  const fatal = add(pairs, 3);
  const average = fatal / Math.max(1, collisions);
  const least = fatal >= 100 ? 5 : 3;
  const enough = 20; // collisions: a rate of fewer says nothing
  const deadly = pairs.filter((row) => row[1] >= enough && row[3] >= least && row[3] / row[1] > average).sort((a, b) => b[3] / b[1] - a[3] / a[1] || b[3] - a[3]).slice(0, 12);
  byId("pairs-said").textContent = !deadly.length ? `No pair with at least ${enough} collisions and ${plural(least, "fatal one")} was fatal more often than the average.`
    : `Of 1,000 collisions ${(1000 * average).toFixed(1)} were fatal. The highest rate is that of ${deadly[0][0]}: ${(1000 * deadly[0][3] / deadly[0][1]).toFixed(1)} (${format(deadly[0][3])} of ${format(deadly[0][1])}). Listed are the pairs above the average with at least ${enough} collisions and ${plural(least, "fatal one")}; the fewer there are, the less certain the rate is. “Nobody else” means that no second vehicle and no hurt pedestrian is reported.`;
  fill("pairs", deadly.length ? table("Pairs whose collisions are fatal more often than the average", ["Pair", "Fatal per 1,000", "Fatal", "Collisions", "Killed"], deadly.map((row) => [row[0], (1000 * row[3]) / row[1], row[3], row[1], row[2]]), { bar: 1, kind: "killing", rate: 1 }) : "");
  byId("persons").hidden = !HEAD.names.age;
  if (HEAD.names.age) {
    for (const name of ["age", "role"]) {
      const rows = ranked(cube, filter, name).map(([kind, ...counts]) => [age(kind), ...counts]);
      fill(`${name}s`, table(`Injured and killed by ${name}`, [name === "age" ? "Age" : "Role", "Injured", "Killed"], name === "role" ? rows.sort((a, b) => b[1] - a[1]).slice(0, 10) : rows, { bar: 1 }));
    }
    const ages = ranked(cube, filter, "age", ["Not stated"]);
    const known = leader(ages, (row) => row[1]);
    byId("persons-said").textContent = known ? `Where the age is stated, more of the injured were ${age(known[0])}${known[0].includes("over") ? "" : " years old"} than in any other age group.` : ages.length ? "No age group has more injured than all others." : NOTHING;
  }
}

function choices(select, names) {
  select.append(...names.map(([value, name]) => html("option", { value }, name)));
}

async function start() {
  if (!HEAD.newest) {
    byId("empty").hidden = false;
    for (const part of document.querySelectorAll("[data-numbers]")) part.hidden = true;
    return;
  }
  const cube = arrays(await unpack(byId("cube").textContent));
  const years = Array.from({ length: HEAD.years }, (_, n) => [HEAD.firstYear + n, `${HEAD.firstYear + n}`]);
  choices(byId("borough"), [["-1", "All boroughs"], ...HEAD.boroughs.map((name, n) => [n, name])]);
  choices(byId("user"), USERS.map((name, n) => [n, n ? `${name[0].toUpperCase()}${name.slice(1)} hurt` : "All collisions"]));
  choices(byId("from"), years);
  choices(byId("to"), years);
  let filter = readFilter(location.hash);
  const show = () => {
    filter = readFilter(location.hash);
    for (const name of ["borough", "user", "from", "to"]) byId(name).value = filter[name];
    for (const part of [showHeld, showToday, showTime, showWhen, showWhere, showWhy]) part(cube, filter);
    byId("filtered").textContent = writeFilter(filter) ? `Shown: ${filter.user ? `collisions${subject(filter)}` : `all collisions${subject(filter)}`}, ${yearRange(filter)}.` : "";
    document.documentElement.dataset.shown = writeFilter(filter) || "everything";
  };
  byId("filters").addEventListener("change", (event) => {
    const chosen = Object.fromEntries(["borough", "user", "from", "to"].map((name) => [name, Number(byId(name).value)]));
    if (chosen.from > chosen.to) chosen[event.target.id === "from" ? "to" : "from"] = chosen[event.target.id];
    const words = writeFilter(chosen);
    if (words === location.hash.slice(1)) show();
    else location.hash = words;
  });
  byId("reset").addEventListener("click", () => { location.hash = ""; });
  const centre = () => (MAP.scale === 1 ? [HEAD.grid.extent[0] / 2, HEAD.grid.extent[1] / 2] : [MAP.x, MAP.y]);
  const zoom = (by) => { moveMap(...centre(), by); drawMap(cube, filter); };
  byId("closer").addEventListener("click", () => zoom(2));
  byId("farther").addEventListener("click", () => zoom(0.5));
  byId("whole").addEventListener("click", () => { MAP.marked = null; byId("map-note").textContent = ""; zoom(0); });
  byId("map").addEventListener("keydown", (event) => {
    const step = (HEAD.grid.extent[0] / MAP.scale) * 0.15;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 2 : 0.5);
    else if (by && MAP.scale > 1) { moveMap(MAP.x + by[0], MAP.y + by[1], 1); drawMap(cube, filter); }
    else return;
    event.preventDefault();
  });
  window.addEventListener("hashchange", show);
  window.addEventListener("beforeprint", () => drawMap(cube, filter));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMap(cube, filter));
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; show(); } });
  show();
}

requestAnimationFrame(() => setTimeout(start)); // what needs no numbers is painted first
