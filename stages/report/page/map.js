// The map: outlines and cells on a canvas, drawn anew for each filter, size and scheme.

const MAP = { scale: 1, x: 0, y: 0, marked: null };
let cells = null;

/** Ascending numbers from their steps in three planes of bytes; `fresh(n)` tells where a list begins again. */
function climb(cube, name, fresh) {
  const [low, middle, high] = [0, 1, 2].map((n) => cube[`${name}${n}`].data);
  const values = new Uint32Array(low.length);
  for (let n = 0; n < low.length; n++) {
    values[n] = low[n] + middle[n] * 256 + high[n] * 65536 + (fresh(n) ? 0 : values[n - 1]);
  }
  return values;
}

/** The cells' positions in metres from the south-west corner, and the lists of cells by road user and year, once. */
function placeCells(cube) {
  const borough = cube.borough.data;
  const position = climb(cube, "position", (n) => !n || borough[n] !== borough[n - 1]);
  const starts = [0];
  for (const listed of cube.listed.data) starts.push(starts[starts.length - 1] + listed);
  const first = new Set(starts);
  return {
    x: Float32Array.from(position, (at) => ((at % HEAD.grid.width) + 0.5) * HEAD.grid.metres),
    y: Float32Array.from(position, (at) => (Math.floor(at / HEAD.grid.width) + 0.5) * HEAD.grid.metres),
    borough,
    starts,
    members: climb(cube, "cell", (n) => first.has(n)),
  };
}

/** Collisions by cell under a filter. */
function cellCounts(cube, filter) {
  const [, years] = cube.listed.shape;
  const counts = new Uint32Array(cells.borough.length);
  const layer = filter.user * years - HEAD.firstYear;
  for (let n = cells.starts[layer + filter.from]; n < cells.starts[layer + filter.to + 1]; n++) counts[cells.members[n]] += cube.count.data[n];
  if (filter.borough >= 0) cells.borough.forEach((borough, n) => { if (borough !== filter.borough) counts[n] = 0; });
  return counts;
}

/** Fatal collisions as [cell, count] under a filter. */
function fatalCells(cube, filter) {
  const [rows, columns] = cube.fatal.shape;
  const found = new Map();
  for (let row = 0; row < rows; row++) {
    const [cell, year, ...counts] = cube.fatal.data.subarray(row * columns, (row + 1) * columns);
    if (year + HEAD.firstYear < filter.from || year + HEAD.firstYear > filter.to || !counts[filter.user]) continue;
    if (filter.borough >= 0 && cells.borough[cell] !== filter.borough) continue;
    found.set(cell, (found.get(cell) ?? 0) + counts[filter.user]);
  }
  return [...found];
}

/** Draw the map; returns what it shows in numbers. */
function drawMap(cube, filter) {
  cells ??= placeCells(cube);
  const canvas = byId("map");
  const ratio = Math.max(window.devicePixelRatio || 1, document.documentElement.classList.contains("printed") ? 2 : 1);
  const width = canvas.clientWidth || 640;
  const height = Math.round(width * 0.98);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const whole = Math.min(width / HEAD.grid.extent[0], height / HEAD.grid.extent[1]);
  const per = whole * MAP.scale;
  const middle = MAP.scale === 1 ? [HEAD.grid.extent[0] / 2, HEAD.grid.extent[1] / 2] : [MAP.x, MAP.y];
  const place = (x, y) => [width / 2 + (x - middle[0]) * per, height / 2 - (y - middle[1]) * per];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.lineJoin = "round";
  HEAD.outlines.forEach((rings, borough) => {
    pen.beginPath();
    for (const ring of rings) {
      for (let n = 0; n < ring.length; n += 2) pen[n ? "lineTo" : "moveTo"](...place(ring[n], ring[n + 1]));
      pen.closePath();
    }
    pen.globalAlpha = filter.borough < 0 || filter.borough === borough ? 1 : 0.4;
    pen.fillStyle = colour("land");
    pen.fill();
    pen.strokeStyle = colour("line");
    pen.stroke();
  });
  const counts = cellCounts(cube, filter);
  const sorted = counts.filter((count) => count).sort();
  const strong = Math.max(1, sorted[Math.floor(sorted.length * 0.995)] ?? 1);
  const few = sorted.length <= 300 ? 3.5 : 2.2; // which must be seen too
  const least = sorted.length > 30000 ? 0.7 * Math.min(1, width / 650) : sorted.length > 3000 ? 1.3 : Math.max(1.3, few * Math.min(1, width / 600));
  const side = Math.max(HEAD.grid.metres * per, least);
  pen.fillStyle = `rgb(${colour("heat").split(" ").join(",")})`;
  let shown = 0;
  const levels = Array.from({ length: 12 }, () => []);
  counts.forEach((count, n) => {
    if (!count) return;
    shown += count;
    levels[Math.min(11, Math.floor(12 * Math.sqrt(Math.min(1, count / strong)) - 1e-9))].push(n);
  });
  levels.forEach((members, level) => {
    pen.globalAlpha = 0.14 + (0.86 * (level + 1)) / 12;
    for (const n of members) {
      const [x, y] = place(cells.x[n], cells.y[n]);
      if (x > -side && y > -side && x < width + side && y < height + side) pen.fillRect(x - side / 2, y - side / 2, side, side);
    }
  });
  const fatal = fatalCells(cube, filter);
  pen.globalAlpha = fatal.length > 800 ? 0.55 : 0.9;
  pen.fillStyle = colour("fatal");
  const dot = Math.min(6, (fatal.length > 800 ? Math.max(0.6, width / 600) : 2.6) * Math.sqrt(MAP.scale));
  for (const [cell, count] of fatal) {
    pen.beginPath();
    pen.arc(...place(cells.x[cell], cells.y[cell]), dot * Math.sqrt(count), 0, 7);
    pen.fill();
  }
  if (MAP.marked) {
    pen.globalAlpha = 1;
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 3;
    pen.beginPath();
    pen.arc(...place(...MAP.marked.at), 16, 0, 7);
    pen.stroke();
    pen.lineWidth = 1;
  }
  pen.globalAlpha = 1;
  return { shown, cells: sorted.length, fatal: fatal.reduce((sum, [, count]) => sum + count, 0), most: sorted[sorted.length - 1] ?? 0 };
}

/** Forget the intersection that is circled, and show the whole city again. */
function unmark() {
  Object.assign(MAP, { marked: null, scale: 1 });
  byId("map-note").textContent = "";
}

/** Move the map: to a point in metres, and closer by a factor; a scale of 1 shows the whole city. */
function moveMap(x, y, by) {
  const scale = Math.min(40, Math.max(1, MAP.scale * by));
  Object.assign(MAP, { scale, x, y });
}
