// Where: the map's sentence and the worst intersections.

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

/** How many of the fatal collisions have a dot on the map. */
function dots(shown, fatal) {
  const missing = fatal - shown;
  if (!fatal) return "";
  if (!shown) return fatal === 1 ? " The fatal one has no location." : ` ${noneOf(fatal)} of the ${format(fatal)} fatal ones has a location.`;
  if (!missing) return fatal === 1 ? " A red dot marks the fatal one." : ` Red dots mark the ${format(fatal)} fatal ones.`;
  return ` ${shown === 1 ? "A red dot marks" : "Red dots mark"} ${format(shown)} of the ${format(fatal)} fatal ones; ${missing === 1 ? "1 has" : `${format(missing)} have`} no location.`;
}

/** Which intersection is the worst, if one is. */
function worstOf(filter, list) {
  const hurt = ({ injured, killed }) => injured + killed;
  const tied = leaders(list, hurt);
  if (!tied.length) return "";
  const most = hurt(tied[0]);
  if (most < 3) return ` No intersection has more than ${people(filter, most)} hurt.`;
  const [, many] = NOUNS[USERS[filter.user]];
  return tied.length > 1 ? ` ${format(tied.length)} intersections tie for the most ${many} hurt (${format(most)} each).`
    : ` The intersection with the most ${many} hurt (${format(most)}) is ${HEAD.places[tied[0].place][0]}.`;
}

function showWhere(cube, filter) {
  const list = worstPlaces(cube, filter);
  if (MAP.marked && !list.some(({ place }) => place === MAP.marked.place)) unmark();
  const seen = drawMap(cube, filter);
  byId("map").setAttribute("aria-label", `Map: ${plural(seen.shown, "collision")} in ${plural(seen.cells, "place")} of about ${HEAD.grid.metres} m, ${format(seen.fatal)} of them fatal; the worst intersections are in the list`);
  const { collisions, fatal } = matching(cube, filter);
  const missing = collisions - seen.shown;
  const shown = missing ? `The map shows ${format(seen.shown)} of ${plural(collisions, "collision")}${subject(filter)}; ${missing === 1 ? "1 has" : `${format(missing)} have`} no location.`
    : `The map shows ${collisions === 1 ? "the one collision" : `all ${format(collisions)} collisions`}${subject(filter)}.`;
  say("where", !seen.shown ? `${collisions === 1 ? `The one collision${subject(filter)} has no` : `${noneOf(collisions)} of the ${format(collisions)} collisions${subject(filter)} has a`} location.${worstOf(filter, list)}`
    : `${shown}${seen.most > 1 ? " The stronger the colour, the more collisions." : ""}${dots(seen.fatal, fatal)}${worstOf(filter, list)}`);
  const rows = list.map(({ place, injured, killed }) => {
    const [name, borough, latitude, longitude] = HEAD.places[place];
    const button = html("button", { type: "button" }, name);
    button.disabled = latitude === null;
    button.addEventListener("click", () => {
      MAP.marked = { place, at: [(longitude - HEAD.grid.corner[0]) * HEAD.grid.degree[0], (latitude - HEAD.grid.corner[1]) * HEAD.grid.degree[1]] };
      moveMap(...MAP.marked.at, Math.max(1, 8 / MAP.scale));
      drawMap(cube, filter);
      byId("map-note").textContent = `The map shows ${name}, circled.`;
      byId("map").scrollIntoView({ block: "nearest" });
    });
    return [html("span", {}, button, html("span", { class: "soft" }, ` ${borough === HEAD.boroughs.length - 1 ? "borough not stated" : HEAD.boroughs[borough]}`)), injured, killed];
  });
  fill("worst", list.length ? table("The intersections with the most injured and killed; choose one to see it on the map", ["Intersection", "Injured", "Killed"], rows) : html("p", { class: "soft" }, "None of these collisions hurt anybody at an intersection."));
}
