// The cube: arrays by name, unpacked once, and what the filters choose of them.

const USERS = ["all", "pedestrians", "cyclists", "motorists", "others"];
const HEAD = JSON.parse(document.getElementById("head").textContent);
const number = new Intl.NumberFormat("en-US");
const format = (value) => number.format(value);
const plural = (count, one, many = `${one}s`) => `${format(count)} ${count === 1 ? one : many}`;

/** The bytes of the page's packed arrays. */
async function unpack(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Name → {shape, data}. */
function arrays(buffer) {
  const kinds = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };
  return Object.fromEntries(
    HEAD.arrays.map(({ name, offset, bytes, shape }) => {
      const size = shape.reduce((product, side) => product * side, 1);
      return [name, { shape, data: new kinds[bytes](buffer.slice(offset, offset + size * bytes)) }];
    }),
  );
}

/**
 * What an address such as #borough=Queens&user=cyclists&years=2023-2025 asks for. Years may be in either order.
 * `ignored`: the parts of it that mean nothing here.
 */
function readFilter(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const last = HEAD.firstYear + HEAD.years - 1;
  const ignored = [];
  const asked = (name, names) => {
    const value = given.get(name);
    const found = names.findIndex((one) => one.toLowerCase() === (value ?? "").toLowerCase());
    if (value && found < 0) ignored.push(`${name}=${value}`);
    return found;
  };
  const borough = asked("borough", HEAD.boroughs);
  const user = Math.max(0, asked("user", USERS));
  const found = /^(\d{4})(?:-(\d{4}))?$/.exec(given.get("years") ?? "");
  const years = found ? [Number(found[1]), Number(found[2] ?? found[1])].sort((one, other) => one - other) : [];
  const there = years.length && years[0] <= last && years[1] >= HEAD.firstYear;
  if (given.get("years") && !there) ignored.push(`years=${given.get("years")}`);
  const [from, to] = there ? [Math.max(years[0], HEAD.firstYear), Math.min(years[1], last)] : [HEAD.firstYear, last];
  return { borough, user, from, to, ignored };
}

/** Whether a filter leaves out years. */
const chosenYears = ({ from, to }) => from > HEAD.firstYear || to < HEAD.firstYear + HEAD.years - 1;

/** The address of a filter; empty for everything. */
function writeFilter({ borough, user, from, to }) {
  const words = new URLSearchParams();
  if (borough >= 0) words.set("borough", HEAD.boroughs[borough]);
  if (user) words.set("user", USERS[user]);
  if (chosenYears({ from, to })) words.set("years", from === to ? `${from}` : `${from}-${to}`);
  return words.toString();
}

/**
 * Sums of an array whose axes are [time, borough, (kind,) user, measure] over the chosen boroughs and, unless
 * `keepTime`, over the chosen years. Returns rows by time or kind, each with its measures of the chosen user.
 */
function sums(array, filter, { user = filter.user, keepTime = false, perYear = 1 } = {}) {
  const { shape, data } = array;
  const [times, boroughs, kinds, users, measures] =
    shape.length === 5 ? shape : [shape[0], shape[1], 1, shape[2], shape[3]];
  const first = (filter.from - HEAD.firstYear) * perYear;
  const last = Math.min((filter.to - HEAD.firstYear + 1) * perYear, times);
  const rows = Array.from({ length: keepTime ? Math.max(0, last - first) : kinds }, () => new Array(measures).fill(0));
  for (let time = first; time < last; time++) {
    for (let borough = 0; borough < boroughs; borough++) {
      if (filter.borough >= 0 && borough !== filter.borough) continue;
      for (let kind = 0; kind < kinds; kind++) {
        const at = (((time * boroughs + borough) * kinds + kind) * users + user) * measures;
        const row = rows[keepTime ? time - first : kind];
        for (let measure = 0; measure < measures; measure++) row[measure] += data[at + measure];
      }
    }
  }
  return rows;
}
