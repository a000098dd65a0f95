// Over time: what the data hold, the newest 28 days, the months and the years.

const monthOf = (iso) => (Number(iso.slice(0, 4)) - HEAD.firstYear) * 12 + Number(iso.slice(5, 7)) - 1;

function change(now, before) {
  if (!before) return now ? "none a year ago" : "as a year ago: none";
  if (now === before) return "as many as a year ago";
  const by = Math.abs(now - before);
  return `${before < FEW ? format(by) : percent(by, before)} ${now > before ? "more" : "fewer"} than the ${before === 1 ? "one" : format(before)} a year ago`;
}

// What the data hold of a month, as stages/report/held.py decides it: all but a few days at most, or the newest month so far.
const [MISSING, PART, WHOLE, NOT_OVER] = [0, 1, 2, 3];

/** The sums of all months under a filter. */
function matching(cube, filter) {
  const [[collisions, injured, killed, fatal]] = sums(cube.month, filter, { perYear: 12 });
  return { collisions, injured, killed, fatal };
}

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
    : `Of the ${held.length} months from ${name(first)} to ${name(first + held.length - 1)} the data have ${listed(parts.map(([months, how]) => `${format(months)} ${how}`))}; all numbers below are of what they have.`;
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
  const ended = filter.to < Number(HEAD.newest.slice(0, 4)); // the newest days are not among the chosen years
  const end = ended ? `${filter.to}-12-31` : HEAD.newest;
  const start = moved(end, -27);
  byId("today-title").textContent = ended ? `The last 28 days of ${filter.to}` : "The newest 28 days";
  const [now, before] = total;
  const [days, daysBefore] = cube.windowHeld.data.slice(year * 2, year * 2 + 2);
  const comparable = days === 28 && daysBefore === 28;
  const absent = !days && !now[0]; // unknown is not zero
  const note = (value, earlier) => (absent ? "no data" : comparable ? change(value, earlier) : days < 28 ? `${days ? `${days} of 28 days ${days === 1 ? "is" : "are"}` : "none of the 28 days is wholly"} in the data` : `nothing to compare with: the year before is not ${daysBefore ? "wholly " : ""}in the data`);
  const tile = (kind, value, word, earlier) => html("div", { class: `tile ${kind}` }, html("b", {}, absent ? "–" : format(value)), `${word} `, html("br"), html("span", { class: "soft" }, note(value, earlier)));
  fill("today-tiles", tile("", now[0], "collisions", before[0]), tile("", now[1], "injured", before[1]), tile("killed", now[2], "killed", before[2]));
  const trend = !comparable ? "" : !now[0] && !before[0] ? ", and none a year earlier" : now[0] === before[0] ? ", as many as a year earlier" : `, ${format(Math.abs(now[0] - before[0]))} ${now[0] > before[0] ? "more" : "fewer"} than on the same days of the week a year earlier`;
  const span = `${day(start)} to ${day(end)}`;
  const counted = `${now[0] ? plural(now[0], "collision") : "no collision"}${subject(filter)}`;
  const hurt = now[0] ? `; ${harmed(filter, now[1], now[2])}` : "";
  const lonely = comparable ? "" : ` There is nothing to compare this with${days < 28 ? "" : `: the same days of the week a year earlier are not ${daysBefore ? "all " : ""}in the data`}.`;
  const reach = Number(start.slice(0, 4)) < filter.from ? ` These days begin in ${start.slice(0, 4)}, before the chosen ${filter.from === filter.to ? "year" : "years"}.` : "";
  say("today", absent ? `None of the 28 days from ${span} is in the data.`
    : days < 28 ? `Of the 28 days from ${span} ${days ? `only ${days} ${days === 1 ? "is" : "are"}` : "none is wholly"} in the data: ${counted}${hurt}.${lonely}${reach}`
      : `From ${span} the police recorded ${counted}${trend}${hurt}.${lonely}${reach}`);
  const behindDays = Math.floor((Date.now() - Date.parse(`${HEAD.newest}T00:00:00Z`)) / 86400000);
  byId("today-newest").textContent = `The newest day of the data is ${day(HEAD.newest)}${behindDays > 0 ? `, ${plural(behindDays, "day")} ago` : ""}${ended ? "; the chosen years end before it" : ""}.${HEAD.standsStill ? "" : ` ${HEAD.sourceAge}`}`;
  const old = behindDays > HEAD.staleDays;
  byId("still").hidden = !HEAD.standsStill && !old;
  byId("still").textContent = `${HEAD.standsStill ? `${HEAD.sourceAge} New York City usually publishes within a few days.` : `These numbers are not current: the newest collision is ${plural(behindDays, "day")} old.`} The 28 days are those up to ${day(end)}.`;
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
    ...(held.some((state) => state === PART || state === NOT_OVER) ? [html("li", {}, html("i", { class: `part fill-${byUser[0].name}` }), "fainter: a month in part")] : []),
    ...(held.includes(MISSING) ? [html("li", {}, html("i", { class: "missing" }), "no data")] : []));
  for (const [measure, id, word] of [[1, "injured", "Injured"], [2, "killed", "Killed"]]) {
    const layers = byUser.map(({ name, rows }) => ({ name, values: rows.map((row) => row[measure]) }));
    if (!add(layers.flatMap(({ values }) => values).map((value) => [value]), 0)) { // an empty chart says less
      fill(id, html("p", { class: "soft" }, `${filter.user ? `No ${NOUNS[USERS[filter.user]][0]}` : "Nobody"} was ${word.toLowerCase()} in these collisions.`));
      continue;
    }
    fill(id, bars(id, `${word} by month and road user; the table below has the numbers`, labels, layers, held),
      behind(`${word} by month`, ["Month", ...layers.map(({ name }) => name)], labels.map((month, n) => [month, ...layers.map(({ values }) => shown(values[n], held[n]))]).reverse()));
  }
  const hurt = (rows) => add(rows, 1);
  const { collisions, injured, killed } = matching(cube, filter);
  const most = injured >= FEW ? leader(byUser, ({ rows }) => hurt(rows)) : undefined;
  const deadliest = killed >= FEW ? leader(byUser, ({ rows }) => add(rows, 2)) : undefined;
  const ofKilled = deadliest && `of the killed (${allOr(add(deadliest.rows, 2), killed)})`;
  const largest = most ? ` ${capital(most.name)} were the largest group of the injured (${allOr(hurt(most.rows), injured)})${!ofKilled ? "" : deadliest === most ? ` and ${ofKilled}` : `, ${deadliest.name} ${ofKilled}`}.`
    : deadliest ? ` ${capital(deadliest.name)} were the largest group ${ofKilled}.` : "";
  const where = subject({ ...filter, user: 0 }); // who was hurt is said already
  say("time", `${harmed(filter, injured, killed)} in ${plural(collisions, "collision")}${where}${chosenYears(filter) ? `, ${yearRange(filter)}` : ""}.${filter.user ? "" : largest}`);
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
  const least = best && best[1] >= FEW && leader(full, ([, count]) => 1 / (1 + count));
  const extremes = least ? `Of the ${full.length} years whose months are all whole, ${best[0]} had the most collisions${subject(filter)} (${format(best[1])}) and ${least[0]} the fewest (${format(least[1])}). ` : "";
  const kinds = drawn.length < 2 ? "" : `${drawn[drawn.length - 1].year} is in colour, ${drawn[drawn.length - 2].year} ${drawn[drawn.length - 2].values.some((value, n, all) => n && value !== null && all[n - 1] !== null) ? "dashed" : "as dots"}${drawn.length > 2 ? ", earlier years are grey" : ""}. `;
  const left = held.some((state) => state === PART || state === NOT_OVER) ? "Months that are not over, or that the data have only in part, are left out." : "";
  byId("years-said").textContent = lines ? `${extremes}${kinds}${left}`.trim() : "Fewer than two months are whole, so there is no line to draw.";
}
