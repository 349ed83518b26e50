/* The page of `acre run --html`: docs/run-html.md says what the data is. */
const data = JSON.parse(document.getElementById("data").textContent);
const samples = data.timeline === null ? [] : data.timeline.samples;
const element = id => document.getElementById(id);
const about = element("about");
const dark = matchMedia("(prefers-color-scheme: dark)");
const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (Math.abs(count) >= 1024 && unit + 1 < units.length) { count /= 1024; unit++; }
  return (unit === 0 ? count.toFixed(0) : count.toFixed(1)) + " " + units[unit];
}
const plain = count => count.toLocaleString("en");

function heading() {
  const run = data.run, end = "signal" in run.exit ? `signal ${run.exit.signal}` : `exit status ${run.exit.status}`;
  document.title = element("title").textContent = "acre run: " + data.title;
  const peak = run.resident.peak === null ? "" : `, at most ${bytes(run.resident.peak)} resident`;
  element("summary").textContent = `${end} after ${run.wall_seconds.toFixed(2)} s${peak}; ` +
    (samples.length === 0 ? "it ended before it could be looked at" : `${samples.length} looks`) +
    (run.processes ? "; the processes that it started are counted, and not looked at" : "");
}

/* ---- charts */

const charts = [], lines = ["#d9742b", "#2f9a55", "#4aa3df", "#9b7fd4", "#e0524a"];

function chart(place, labels, rows, value, axis, binary) {
  if (rows.length === 0) return;
  labels.slice(1).forEach((name, i) => {
    const entry = document.createElement("span"), mark = document.createElement("i");
    mark.style.background = lines[i];
    entry.append(mark, name);
    element(place + "-legend").append(entry);
  });
  const draw = () => new Dygraph(element(place), rows, {
    labels, colors: lines.slice(0, labels.length - 1),
    strokeWidth: 1.5, legend: "follow", labelsSeparateLines: true, gridLineColor: ink("--line"),
    axisLineColor: ink("--line"), animatedZooms: false, includeZero: true, labelsKMG2: binary,
    axes: { y: { valueFormatter: value, axisLabelFormatter: axis, axisLabelWidth: 76 },
            x: { valueFormatter: seconds => seconds.toFixed(2) + " s", axisLabelFormatter: seconds => Number(seconds.toFixed(3)) + " s" } },
  });
  charts.push(draw);
  draw();
}

function rates() {
  const rows = [];
  for (let i = 1; i < samples.length; i++) {
    const seconds = samples[i].t - samples[i - 1].t;
    if (seconds <= 0) continue;
    rows.push([samples[i].t, (samples[i].calls - samples[i - 1].calls) / seconds,
      (samples[i].syscalls - samples[i - 1].syscalls) / seconds]);
  }
  return rows;
}

/* ---- addresses over time: a column for each look, a row for each part of the addresses that ever were the heap's */

const strip = { canvas: element("strip"), height: 420, at: 0 };

function addressAxis() {
  const parts = [];
  for (const sample of samples)
    for (const [start, cell, isBreak, letters] of sample.strip) parts.push([start, start + cell * letters.length, isBreak]);
  parts.sort((a, b) => a[0] - b[0]);
  const axis = [];
  for (const [start, end, isBreak] of parts) {
    const last = axis[axis.length - 1];
    if (last !== undefined && start <= last.end) {
      last.end = Math.max(last.end, end);
      last.isBreak = last.isBreak || isBreak;
    } else axis.push({ start, end, isBreak });
  }
  const all = axis.reduce((sum, part) => sum + part.end - part.start, 0), gap = 6;
  const room = strip.height - gap * Math.max(0, axis.length - 1);
  let y = strip.height; /* low addresses are at the bottom */
  for (const part of axis) {
    part.bottom = y;
    part.height = Math.max(2, room * (part.end - part.start) / all);
    y -= part.height + gap;
  }
  return axis;
}

function cellColour(letter, colours) {
  if (letter === " ") return null;
  if (letter === ".") return ink("--empty");
  return letter >= "1" && letter <= "8" ? colours.levels[Number(letter) - 1] : colours.kinds[letter][0];
}

function drawStrip() {
  if (samples.length === 0) return;
  const colours = data.timeline.end_map.colours, canvas = strip.canvas;
  const width = Math.max(300, document.documentElement.clientWidth - 36), ratio = window.devicePixelRatio || 1;
  strip.axis = strip.axis || addressAxis();
  strip.width = width;
  canvas.width = width * ratio;
  canvas.height = strip.height * ratio;
  canvas.style.width = width + "px";
  canvas.style.height = strip.height + "px";
  const context = canvas.getContext("2d"), end = samples[samples.length - 1].t, begin = samples[0].t;
  context.scale(ratio, ratio);
  const x = t => end === begin ? 0 : (t - begin) / (end - begin) * (width - 4);
  samples.forEach((sample, i) => {
    const left = x(sample.t), right = i + 1 < samples.length ? x(samples[i + 1].t) : width;
    for (const [start, cell, , letters] of sample.strip) {
      const part = strip.axis.find(part => start >= part.start && start < part.end);
      const scale = part.height / (part.end - part.start);
      for (let k = 0; k < letters.length; k++) {
        const fill = cellColour(letters[k], colours);
        if (fill === null) continue;
        context.fillStyle = fill;
        const low = part.bottom - (start + k * cell - part.start) * scale;
        context.fillRect(left, low - cell * scale, Math.max(1, right - left), Math.max(0.5, cell * scale));
      }
    }
  });
}

/* What is at a height of the strip: an address, or nothing between two parts. */
function addressAt(y) {
  const part = strip.axis.find(part => y <= part.bottom && y > part.bottom - part.height);
  if (part === undefined) return "";
  const page = 4096, offset = (part.bottom - y) / part.height * (part.end - part.start);
  return `; at 0x${(part.start + Math.floor(offset / page) * page).toString(16)}, in ` +
    (part.isBreak ? "the program break" : "mappings");
}

function tellSample(index, place) {
  strip.at = Math.min(samples.length - 1, Math.max(0, index));
  const sample = samples[strip.at];
  about.textContent = `${sample.t.toFixed(2)} s: ${bytes(sample.resident)} resident, ${bytes(sample.live)} live, ` +
    `break ${bytes(sample.break)}, ${bytes(sample.held)} of addresses held${place}`;
}

function listenToStrip() {
  strip.canvas.addEventListener("mousemove", event => {
    const box = strip.canvas.getBoundingClientRect(), part = (event.clientX - box.left) / strip.width;
    const t = samples[0].t + part * (samples[samples.length - 1].t - samples[0].t);
    let index = samples.findIndex(sample => sample.t > t);
    tellSample(index < 0 ? samples.length - 1 : index - 1, addressAt(event.clientY - box.top));
  });
  strip.canvas.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    tellSample(strip.at + step, "");
    event.preventDefault();
  });
}

/* ---- the map, and the tables of the moment that it is of */

let map = null;

function table(place, names, rows) {
  const made = document.createElement("table"), head = made.createTHead().insertRow();
  for (const name of names) {
    const cell = document.createElement("th");
    cell.textContent = name;
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const text of row) line.insertCell().textContent = text;
  }
  place.append(made);
}

const kinds = { class: size => bytes(size), mixed: () => "mixed sizes", large: () => "above 32 KiB" };

function show(which) {
  const picture = data.timeline[which + "_map"], why = data.timeline[which + "_why"], tables = element("tables");
  for (const place of ["map", "legend", "tables"]) element(place).replaceChildren();
  element("at-peak").setAttribute("aria-pressed", String(which === "peak"));
  element("at-end").setAttribute("aria-pressed", String(which === "end"));
  if (map !== null) map.close();
  map = acreMap(picture, element("map"), element("legend"), about);
  const rows = Object.entries(why.buckets).filter(([, size]) => size > 0)
    .map(([name, size]) => [name.startsWith("other:") ? name.replace("other:", "not acre's: ") : name.replaceAll("_", " "), bytes(size),
      (100 * size / why.resident_bytes).toFixed(1) + " %"]);
  table(tables, ["resident", "", ""], [...rows, ["together", bytes(why.resident_bytes), ""]]);
  table(tables, ["block size", "spans", "live", "live bytes", "resident"],
    why.classes.filter(entry => entry.resident_bytes > 0).sort((a, b) => b.resident_bytes - a.resident_bytes).slice(0, 16)
      .map(entry => [kinds[entry.kind](entry.block_bytes), plain(entry.spans), plain(entry.live_blocks),
        bytes(entry.live_bytes), bytes(entry.resident_bytes)]));
  const arenas = why.arenas.filter(arena => !arena.parked);
  if (arenas.length > 1)
    table(tables, ["arena", "live", "live bytes", "resident", "limit"], arenas.slice(0, 16).map(arena =>
      [arena.name, plain(arena.live_blocks), bytes(arena.live_bytes), bytes(arena.resident_bytes),
        arena.limit_bytes === null ? "-" : bytes(arena.limit_bytes)]));
  element("advice").textContent = why.advice;
}

heading();
chart("memory", ["seconds", "resident", "live", "break", "addresses held", "free pages"],
  samples.map(sample => [sample.t, sample.resident, sample.live, sample.break, sample.held, sample.retained]), bytes, bytes, true);
chart("calls", ["seconds", "library calls", "system calls"], rates(), count => plain(Math.round(count)),
  count => count.toLocaleString("en", { notation: "compact" }), false);
if (samples.length > 0) {
  drawStrip();
  listenToStrip();
  for (const which of ["peak", "end"]) element("at-" + which).textContent += `, ${data.timeline[which + "_s"].toFixed(2)} s`;
  show("peak");
  element("strip-legend").append(...Array.from(element("legend").children, entry => entry.cloneNode(true)).slice(0, -1));
  element("at-peak").addEventListener("click", () => show("peak"));
  element("at-end").addEventListener("click", () => show("end"));
  element("larger").addEventListener("click", () => map.resize(1));
  element("smaller").addEventListener("click", () => map.resize(-1));
  document.addEventListener("keydown", event => {
    if (event.key === "+" || event.key === "=") map.resize(1);
    if (event.key === "-") map.resize(-1);
  });
  window.addEventListener("resize", drawStrip);
  dark.addEventListener("change", () => { drawStrip(); charts.forEach(draw => draw()); });
}
