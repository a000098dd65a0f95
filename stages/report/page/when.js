// When: hours and days of the week.

const FEW_DAYS = 12; // of fewer Mondays, their hours are mostly chance

/** How many days of each day of the week the data hold in the chosen years, from Monday. */
function daysHeld(cube, filter) {
  const years = cube.weekdayHeld.data.slice((filter.from - HEAD.firstYear) * 7, (filter.to - HEAD.firstYear + 1) * 7);
  return DAYS.map((_, weekday) => years.reduce((sum, days, n) => (n % 7 === weekday ? sum + days : sum), 0));
}

/** Which hour of the week has the most collisions, if that can be told. `counts`: 168; `held`: days by day of the week. */
function busiestHour(filter, counts, held) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const hours = counts.map((count, n) => ({ n, count, perDay: count / Math.max(1, held[Math.floor(n / 24)]) }));
  const words = (n) => `from ${n % 24}:00 to ${(n % 24) + 1}:00`;
  const about = subject(filter);
  if (total === 1) {
    const { n } = hours.find(({ count }) => count);
    return `One collision${about} states its time: it was on a ${DAY_NAMES[Math.floor(n / 24)]} ${words(n)}.`;
  }
  const [fewest, most] = [Math.min(...held), Math.max(...held)];
  if (total < FEW) return `Only ${format(total)} collisions${about} state their time: too few to say which hour of the week has the most.`;
  if (fewest < FEW_DAYS) return `Each day of the week is in the data only ${fewest === most ? plural(most, "time") : `${fewest} ${most - fewest > 1 ? "to" : "or"} ${most} times`}, too few to say which hour of the week has the most collisions${about}.`;
  const tied = leaders(hours, ({ count }) => count);
  if (tied[0].count < 10) return `No single hour of the week stands out: none has more than ${plural(tied[0].count, "collision")}${about}.`;
  if (tied.length > 1) return `${format(tied.length)} hours of the week tie for the most collisions${about} (${format(tied[0].count)} each).`;
  const [peak] = tied;
  const close = hours.filter(({ count }) => count > peak.count - 2 * Math.sqrt(peak.count)).length - 1;
  if (leader(hours, ({ perDay }) => perDay) !== peak || close > 6) return `No single hour of the week stands out among the collisions${about}.`;
  const near = close ? ` ${close === 1 ? "One other hour has" : `${close} other hours have`} so nearly as many that it may be chance.` : "";
  return `The hour of the week with the most collisions${about} is on ${DAY_NAMES[Math.floor(peak.n / 24)]}s ${words(peak.n)} (${format(peak.count)}).${near}`;
}

function showWhen(cube, filter) {
  const hours = sums(cube.when, filter);
  const [total, fatal] = [add(hours, 0), add(hours, 1)];
  const all = matching(cube, filter);
  byId("when-charts").hidden = !total;
  if (!total) {
    say("when", `None of the collisions${subject(filter)} states its time.`);
    return;
  }
  const held = daysHeld(cube, filter);
  const uneven = total > 1 && Math.max(...held) > 1.1 * Math.min(...held)
    ? ` Not every day of the week is in the data equally often (${listed(DAY_NAMES.map((name, n) => plural(held[n], name)))}): one that is there more often has more collisions.` : "";
  const night = hours.reduce((sum, row, n) => sum + (n % 24 >= 22 || n % 24 < 6 ? row[1] : 0), 0);
  const atNight = !fatal ? "" : fatal === 1 ? ` The fatal one ${night ? "happened" : "did not happen"} between 22:00 and 6:00.`
    : ` ${night ? format(night) : noneOf(fatal)} of the ${format(fatal)} fatal ones${fatal >= FEW && night ? ` (${percent(night, fatal)})` : ""} happened between 22:00 and 6:00.`;
  const untimed = all.collisions - total;
  const left = untimed ? ` ${plural(untimed, "collision")} without a stated time ${untimed === 1 ? "is" : "are"} left out${all.fatal > fatal ? `, ${format(all.fatal - fatal)} of them fatal` : ""}.` : "";
  say("when", `${busiestHour(filter, hours.map((row) => row[0]), held)}${atNight}${uneven}${left}`);
  const rows = (measure) => Array.from({ length: 24 }, (_, hour) => [`${hour}:00`, ...DAYS.map((_day, row) => hours[row * 24 + hour][measure])]);
  fill("hours", ...heat("Collisions by hour and day of the week; the table below has the numbers", hours.map((row) => row[0]), ""), behind("Collisions by hour and day", ["Hour", ...DAYS], rows(0)));
  if (!fatal) fill("fatal-hours", html("p", { class: "soft" }, "None of these collisions was fatal."));
  else fill("fatal-hours", ...heat("Fatal collisions by hour and day of the week; the table below has the numbers", hours.map((row) => row[1]), "fatal"), behind("Fatal collisions by hour and day", ["Hour", ...DAYS], rows(1)));
}
