// Drawing: elements, tables and the few kinds of chart. Text goes in as text, never as markup.

const byId = (id) => document.getElementById(id);

/** An HTML element with attributes and children (nodes or text). */
function html(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** An SVG element. */
function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A table; the first column heads its rows. `bar`: the column drawn as a bar before it; `rate`: one with a decimal. */
function table(caption, heads, rows, { bar = -1, kind = "", text = [], rate = -1 } = {}) {
  if (rows.length < 2) bar = -1; // one bar compares nothing
  const most = Math.max(1e-9, ...rows.map((row) => (bar >= 0 ? row[bar] : 0)));
  const breakable = (text) => text.split(/(?<=\/)/).flatMap((part, n) => (n ? [html("wbr"), part] : [part])); // a name may break behind a slash
  const shown = (value) => (value instanceof Node ? [value] : typeof value === "number" ? [format(value)] : breakable(value));
  const head = heads.map((name, n) => html("th", { scope: "col", class: text.includes(n) ? "text" : "" }, name));
  if (bar >= 0) head.splice(1, 0, html("td", { class: "bar" }));
  const body = rows.map((row) => {
    const cells = row.map((value, n) => {
      const attributes = n ? (text.includes(n) ? { class: "text" } : {}) : { scope: "row" };
      return html(n ? "td" : "th", attributes, ...shown(n === rate ? value.toFixed(1) : value));
    });
    if (bar >= 0) {
      const length = html("span", kind ? { class: kind } : {});
      length.style.width = `${(100 * row[bar]) / most}%`;
      cells.splice(1, 0, html("td", { class: "bar", "aria-hidden": "true" }, length));
    }
    return html("tr", {}, ...cells);
  });
  const made = html(
    "table", heads.length > 3 ? { class: "wide" } : {}, html("caption", {}, caption, ...(heads.length > 5 ? [html("span", { class: "aside" }, " (scroll sideways for all columns)")] : [])), html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...body),
  );
  return html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
}

/** Let a wide table flow on a narrow screen: each value with the name of its column; it stays a table to a screen reader. */
function letFlow(table) {
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  if (heads.length < 4) return;
  table.classList.add("flow");
  table.setAttribute("role", "table");
  for (const group of [table.tHead, ...table.tBodies]) group.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, n) => {
      cell.setAttribute("role", cell.scope === "col" ? "columnheader" : cell.scope === "row" ? "rowheader" : "cell");
      cell.dataset.head = heads[n];
    });
  }
}

/** Numbers of a chart, folded away behind it. */
function behind(caption, heads, rows, options) {
  return html("details", {}, html("summary", {}, `Table: ${caption}`), table(caption, heads, rows, options));
}

/** Put these in place of what an element held. */
function fill(id, ...children) {
  byId(id).replaceChildren(...children);
}

/** A round number at or above `value`, and a step that divides it in two to five. */
function scale(value) {
  const rough = Math.max(value, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].find((n) => n * power >= rough) * power);
  return { top: Math.ceil(Math.max(value, 1) / step) * step, step };
}

/** How wide charts are drawn: about as many units as pixels, so that text keeps its size. */
const chartWidth = (id) => Math.max(280, Math.min(1100, byId(id).clientWidth || 640));

function frame(width, height, label, top, step) {
  const left = 46;
  const box = { left, right: width - 8, above: 10, below: height - 24 };
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const y = (value) => box.below - ((box.below - box.above) * value) / top;
  for (let value = 0; value <= top; value += step) {
    svg.append(
      shape("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      shape("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, top >= 10000 && value ? `${value / 1000}k` : format(value)),
    );
  }
  return { svg, box, y };
}

/** Stacked bars by month. `layers`: {name, values}; `labels`: YYYY-MM; `held`: what the data hold of each month. */
function bars(id, label, labels, layers, held) {
  const width = chartWidth(id);
  const totals = labels.map((_, n) => layers.reduce((sum, layer) => sum + layer.values[n], 0));
  const { top, step } = scale(Math.max(0, ...totals));
  const { svg, box, y } = frame(width, 220, label, top, step);
  const wide = (box.right - box.left) / Math.max(labels.length, 1);
  const thin = Math.min(wide > 4 ? wide - 1 : wide, 48);
  labels.forEach((month, n) => {
    let below = 0;
    const x = box.left + n * wide + (wide - thin) / 2;
    if (held[n] === MISSING) {
      svg.append(shape("rect", { class: "missing", x: box.left + n * wide, width: wide, y: box.above, height: box.below - box.above }, shape("title", {}, `${month}: no data`)));
    }
    const part = held[n] === WHOLE ? "" : " part";
    for (const { name, values } of layers) {
      if (!values[n]) continue;
      const bar = shape("rect", { class: `fill-${name}${part}`, x, width: thin, y: y(below + values[n]), height: y(below) - y(below + values[n]) });
      bar.append(shape("title", {}, `${month}${part && " (in part)"}, ${name}: ${format(values[n])}`));
      svg.append(bar);
      below += values[n];
    }
  });
  if (labels.length <= 12) {
    const every = Math.ceil(labels.length / (width / 70));
    labels.forEach((month, n) => { if (n % every === 0) svg.append(shape("text", { x: box.left + (n + .5) * wide, y: box.below + 17, "text-anchor": "middle" }, `${MONTHS[Number(month.slice(5)) - 1]} ${month.slice(0, 4)}`)); });
    return svg;
  }
  const years = [...new Set(labels.map((month) => month.slice(0, 4)))].map((year) => ({ year, first: labels.findIndex((month) => month.startsWith(year)), months: labels.filter((month) => month.startsWith(year)).length }));
  const every = Math.ceil(40 / (12 * wide)); // a year's name takes some forty units
  years.forEach(({ year, first, months }, n) => {
    const x = box.left + first * wide;
    if (n) svg.append(shape("line", { class: "tick", x1: x, x2: x, y1: box.below, y2: box.below + 5 }));
    if ((years.length - 1 - n) % every === 0 && (every > 1 || months * wide >= 30)) svg.append(shape("text", { x: x + (months * wide) / 2, y: box.below + 17, "text-anchor": "middle" }, year));
  });
  return svg;
}


/** A line a year over the months. `years`: {year, values}, a value null where the month is not whole. */
function yearLines(id, label, years) {
  const width = chartWidth(id);
  const { top, step } = scale(Math.max(0, ...years.flatMap(({ values }) => values.map((value) => value ?? 0))));
  const { svg, box, y } = frame(width, 260, label, top, step);
  const x = (month) => box.left + 14 + (month * (box.right - box.left - 60)) / 11;
  MONTHS.forEach((name, n) => {
    if (width >= 480 || n % 2 === 0) svg.append(shape("text", { x: x(n), y: box.below + 17, "text-anchor": "middle" }, name));
  });
  years.forEach(({ year, values }, n) => {
    const kind = n === years.length - 1 ? " newest" : n === years.length - 2 ? " before" : "";
    const points = values.map((value, month) => (value === null ? null : [x(month), y(value)]));
    const path = points.map((point, month) => (point ? `${points[month - 1] ? "L" : "M"}${point.join(" ")}` : "")).join("");
    const line = shape("path", { class: `year${kind}`, d: path });
    line.append(shape("title", {}, `${year}`));
    svg.append(line);
    points.forEach((point, month) => { // a month alone makes no line
      if (point && !points[month - 1] && !points[month + 1]) svg.append(shape("circle", { class: `alone${kind}`, cx: point[0], cy: point[1], r: 4 }, shape("title", {}, `${year}`)));
    });
    const known = points.map((point, month) => (point ? month : -1)).filter((month) => month >= 0);
    if (known.length && kind) {
      const last = points[known[known.length - 1]];
      svg.append(shape("text", { class: kind === " newest" ? "mark" : "", x: last[0] + 7, y: Math.min(last[1] + (kind === " newest" ? -5 : 14), box.below - 4) }, `${year}`));
    }
  });
  return svg;
}


/** Shades for counts up to `most`: at most six bands of whole numbers, whose darkest is reached from six on. */
function shades(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most / 6)));
  const step = Math.max(1, [1, 2, 5, 10].find((n) => n * power >= most / 6) * power);
  const bands = Math.ceil(most / step);
  return {
    opacity: (value) => (!value ? 0.05 : step === 1 ? 0.45 + (0.55 * value) / 6 : 0.18 + (0.82 * Math.ceil(value / step)) / bands).toFixed(3),
    bands: Array.from({ length: bands }, (_, n) => ({ value: (n + 1) * step, name: step === 1 ? `${n + 1}` : `${format(n * step + 1)} to ${format((n + 1) * step)}` })),
  };
}

/** Hours of the week as shaded cells, and what the shades stand for. `values`: 168 counts from Monday 0:00. */
function heat(label, values, kind) {
  const { opacity, bands } = shades(Math.max(...values));
  const svg = shape("svg", { class: "hours", viewBox: "0 0 546 192", role: "img", "aria-label": label });
  DAYS.forEach((day, row) => svg.append(shape("text", { x: 0, y: row * 24 + 17 }, day)));
  for (const hour of [0, 6, 12, 18, 23]) {
    svg.append(shape("text", { x: 46 + hour * 20 + 10, y: 186, "text-anchor": "middle" }, `${hour}:00`));
  }
  values.forEach((value, n) => {
    const cell = shape("rect", { class: `heat ${kind}`, x: 46 + (n % 24) * 20, y: Math.floor(n / 24) * 24, width: 19, height: 23, rx: 2, "fill-opacity": opacity(value) });
    cell.append(shape("title", {}, `${DAY_NAMES[Math.floor(n / 24)]} ${n % 24}:00: ${format(value)}`));
    svg.append(cell);
  });
  const key = ({ value, name }) => {
    const swatch = html("i", { class: `heat ${kind}` });
    swatch.style.setProperty("--strength", `${100 * opacity(value)}%`);
    return html("li", {}, swatch, name);
  };
  return [svg, html("ul", { class: "legend" }, ...[{ value: 0, name: "none" }, ...bands].map(key))];
}
