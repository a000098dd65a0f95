// Why and who: factors, vehicles, pairs, ages and roles.

const LISTED = 12; // factors and vehicle types
const age = (band) => band.replace(/^0+(?=\d)/, ""); // the bands sort as text

function ranked(cube, filter, name, skipped = []) {
  return sums(cube[name], filter).map((row, n) => [HEAD.names[name][n], ...row]).filter((row) => !skipped.includes(row[0]) && row.slice(1).some(Boolean));
}

/** The row with the most killed, if enough were and no other row has as many. */
function deadliest(rows) {
  const found = leader(rows, (row) => row[3]);
  return found && found[3] >= 5 ? found : undefined;
}

/** What the police name most often, and where most were killed. */
function factorsSaid(rows) {
  const named = add(rows, 1);
  if (!named) return "None of these collisions names a contributing factor.";
  if (named < FEW) return `Only ${plural(named, "collision names", "collisions name")} a contributing factor: too few to say which is the most frequent.`;
  const tied = leaders(rows, (row) => row[1]);
  const most = tied.length === 1 ? `The contributing factor that the police named most often is ${tied[0][0]} (${format(tied[0][1])})`
    : tied.length === 2 ? `The contributing factors that the police named most often are ${listed(tied.map(([name]) => name))} (${format(tied[0][1])} each)` : `${tied.length} contributing factors tie for the one named most often (${format(tied[0][1])} each)`;
  const killing = deadliest(rows);
  return `${most}${!killing ? "" : tied.length === 1 && killing === tied[0] ? `, which also has the most killed (${format(killing[3])})` : `; the one with the most killed is ${killing[0]} (${format(killing[3])})`}.`;
}

function showWhy(cube, filter) {
  const unstated = ["Not stated", "Unspecified", "Unknown", "Unknown code", "Unmapped"];
  const stated = {};
  for (const [name, id, caption] of [["factor", "factors", "Contributing factor"], ["vehicle", "vehicles", "Vehicle type"]]) {
    const rows = ranked(cube, filter, name, unstated).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    stated[name] = rows;
    const killing = name === "factor" ? deadliest(rows) : undefined;
    const most = rows.slice(0, LISTED);
    const further = killing && !most.includes(killing); // a sentence speaks of it: it is in the table
    const all = add(sums(cube[name], filter), 0);
    const without = all - add(rows, 1);
    const which = rows.length <= LISTED ? "" : `: the twelve named most often${further ? ", and the one with the most killed" : ""}`;
    fill(id, ...(rows.length ? [table(`${caption} of the first vehicle${which}`, [caption, "Collisions", "Injured", "Killed"], further ? [...most, killing] : most, { bar: 1 })] : [html("h3", {}, caption)]),
      html("p", { class: "soft" }, !without ? "Every collision names one." : !rows.length ? "None of these collisions names one." : `${format(without)} of ${plural(all, "collision")}${all >= FEW ? ` (${percent(without, all)})` : ""} ${without === 1 ? "names" : "name"} none.`));
  }
  say("why", factorsSaid(stated.factor));
  const pairs = ranked(cube, filter, "pair");
  const collisions = add(pairs, 1);
  const fatal = add(pairs, 3);
  const average = fatal / Math.max(1, collisions);
  const least = fatal >= 100 ? 5 : 3;
  const enough = 20; // collisions: a rate of fewer says nothing
  const deadly = pairs.filter((row) => row[1] >= enough && row[3] >= least && row[3] / row[1] > average).sort((a, b) => b[3] / b[1] - a[3] / a[1] || b[3] - a[3]).slice(0, 12);
  say("pairs", fatal < least ? `${fatal ? `Only ${plural(fatal, "fatal collision states", "fatal collisions state")}` : "No fatal collision states"} who collided with whom: ${fatal ? "too few" : "there is nothing"} to compare.`
    : !deadly.length ? `No pair with at least ${enough} collisions and ${plural(least, "fatal one")} was fatal more often than the average.`
    : `Of every 1,000 collisions, ${(1000 * average).toFixed(1)} were fatal. The highest rate is that of ${deadly[0][0]}: ${(1000 * deadly[0][3] / deadly[0][1]).toFixed(1)} (${format(deadly[0][3])} of ${format(deadly[0][1])}). Listed are the pairs above the average with at least ${enough} collisions and ${plural(least, "fatal one")}; the fewer there are, the less certain the rate is. “Nobody else” means that no second vehicle and no hurt pedestrian is reported.`);
  fill("pairs", deadly.length ? table("Pairs whose collisions are fatal more often than the average", ["Pair", "Fatal per 1,000", "Fatal", "Collisions", "Killed"], deadly.map((row) => [row[0], (1000 * row[3]) / row[1], row[3], row[1], row[2]]), { bar: 1, kind: "killing", rate: 1 }) : "");
  showPersons(cube, filter);
}

/** Age and role: of the person records, which are not the collisions' own counts. */
function showPersons(cube, filter) {
  byId("persons").hidden = !HEAD.names.age && !HEAD.personsLeftOut;
  if (byId("persons").hidden) return;
  const left = HEAD.personsLeftOut;
  const leftOut = left ? ` ${plural(left, "hurt person")} in all ${left === 1 ? "is" : "are"} left out, whatever the filter: the data do not have their collisions.` : "";
  const all = HEAD.names.age ? sums(cube.age, filter) : [];
  const [injured, killed] = [add(all, 0), add(all, 1)];
  byId("persons-shown").hidden = !(injured + killed);
  if (!(injured + killed)) {
    say("persons", `No record of a person hurt belongs to these collisions.${leftOut}`);
    return;
  }
  for (const name of ["age", "role"]) {
    const rows = ranked(cube, filter, name).map(([kind, ...counts]) => [age(kind), ...counts]);
    fill(`${name}s`, table(`Injured and killed by ${name}`, [name === "age" ? "Age" : "Role", "Injured", "Killed"], name === "role" ? rows.sort((a, b) => b[1] - a[1]).slice(0, 10) : rows, { bar: 1 }));
  }
  const reported = matching(cube, filter);
  const ages = ranked(cube, filter, "age", ["Not stated"]);
  const known = add(ages, 1) >= FEW ? leader(ages, (row) => row[1]) : undefined;
  const most = known ? ` Where the age is stated, more of the injured were ${age(known[0])}${known[0].includes("over") ? "" : " years old"} (${format(known[1])}) than in any other age group.` : "";
  say("persons", `These are the records of ${people(filter, injured + killed)} hurt in these collisions, ${format(injured)} injured and ${format(killed)} killed; the collisions' own reports count ${format(reported.injured)} and ${format(reported.killed)}.${most}${leftOut}`);
}
