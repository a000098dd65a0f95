// The filter, its controls and its address; every part of the page is made anew whenever it changes.

function choices(select, names) {
  select.append(...names.map(([value, name]) => html("option", { value }, name)));
}

/** Put a filter into the address, as a step of the history or in place of the last; the page stays where it is. */
function setAddress(filter, step) {
  const words = writeFilter(filter);
  const address = words ? `#${words}` : `${location.pathname}${location.search}`;
  if (step) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

/** What the filter chooses, for people, and what of the address could not be used. */
function filterSaid(filter) {
  const shown = writeFilter(filter) ? `Shown: ${filter.user ? "" : "all "}collisions${subject(filter)}, ${yearRange(filter)}.` : "";
  const ignored = filter.ignored?.length ? `Not known here, and left out: ${filter.ignored.join(", ")}.` : "";
  return [shown, ignored].filter(Boolean).join(" ");
}

async function start() {
  document.querySelectorAll("#health table").forEach(letFlow);
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
  let filter = readFilter("");
  const show = () => {
    for (const name of ["borough", "user", "from", "to"]) byId(name).value = filter[name];
    showHeld(cube, filter);
    const none = nothing(cube, filter);
    for (const [part, showPart] of Object.entries({ today: showToday, time: showTime, when: showWhen, where: showWhere, why: showWhy })) {
      byId(`${part}-shown`).hidden = Boolean(none); // before it is drawn: what is hidden has no width
      if (none) say(part, none);
      else showPart(cube, filter);
    }
    if (none) unmark();
    byId("filtered").textContent = filterSaid(filter);
    document.documentElement.dataset.shown = writeFilter(filter) || "everything";
  };
  const choose = (chosen) => {
    filter = chosen;
    setAddress(filter, true);
    show();
  };
  const read = () => {
    if (byId(location.hash.slice(1))) return; // it names a place on the page, not a filter
    filter = readFilter(location.hash);
    if (!filter.ignored.length) setAddress(filter, false);
    show();
  };
  byId("filters").addEventListener("change", () => {
    const chosen = Object.fromEntries(["borough", "user", "from", "to"].map((name) => [name, Number(byId(name).value)]));
    if (chosen.from > chosen.to) [chosen.from, chosen.to] = [chosen.to, chosen.from];
    choose(chosen);
  });
  byId("reset").addEventListener("click", () => { unmark(); choose(readFilter("")); });
  const centre = () => (MAP.scale === 1 ? [HEAD.grid.extent[0] / 2, HEAD.grid.extent[1] / 2] : [MAP.x, MAP.y]);
  const zoom = (by) => { moveMap(...centre(), by); drawMap(cube, filter); };
  byId("closer").addEventListener("click", () => zoom(2));
  byId("farther").addEventListener("click", () => zoom(0.5));
  byId("whole").addEventListener("click", () => { unmark(); drawMap(cube, filter); });
  byId("map").addEventListener("keydown", (event) => {
    const step = (HEAD.grid.extent[0] / MAP.scale) * 0.15;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 2 : 0.5);
    else if (by && MAP.scale > 1) { moveMap(MAP.x + by[0], MAP.y + by[1], 1); drawMap(cube, filter); }
    else return;
    event.preventDefault();
  });
  document.querySelector("a.verdict").addEventListener("click", (event) => { // without losing the filter in the address
    event.preventDefault();
    byId("health").scrollIntoView();
    byId("health").focus({ preventScroll: true });
  });
  window.addEventListener("hashchange", read);
  let folded = [];
  const print = (printed) => { // paper is light, and nobody can unfold what is on it
    document.documentElement.classList.toggle("printed", printed);
    if (printed) folded = [...document.querySelectorAll("#health details:not([open])")];
    for (const table of folded) table.open = printed;
    drawMap(cube, filter);
  };
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawMap(cube, filter));
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; show(); } });
  if (byId(location.hash.slice(1))) show();
  else read();
}

requestAnimationFrame(() => setTimeout(start)); // what needs no numbers is painted first
