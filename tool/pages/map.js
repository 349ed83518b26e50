"use strict";
/* A map of the heap that can be zoomed: data is what `acre map --json` writes, with the colours. */
function acreMap(data, place, legendPlace, about) {
  const names = { L: "live blocks", " ": "nothing" };
  for (const [letter, [, name]] of Object.entries(data.colours.kinds)) names[letter] = name;
  const sizes = [2, 3, 4, 6, 8, 12, 16, 24];
  let size = 4;              // index in sizes
  let chosen = null;         // {segment, cell}
  const views = [];

  function bytes(count) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (count >= 1024 && unit + 1 < units.length) { count /= 1024; unit++; }
    return (unit === 0 ? count : count.toFixed(1)) + " " + units[unit];
  }
  const hex = address => "0x" + address.toString(16);
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function colour(segment, cell) {
    const kind = segment.kinds[cell];
    if (kind === " ") return null;
    if (kind === ".") return style("--empty");
    if (kind !== "L") return data.colours.kinds[kind][0];
    const levels = data.colours.levels;
    const full = segment.live_bytes[cell] / data.cell_bytes;
    return levels[Math.min(levels.length - 1, Math.max(0, Math.ceil(full * levels.length) - 1))];
  }

  function columns() {
    return Math.max(16, Math.floor((document.documentElement.clientWidth - 34) / sizes[size]));
  }

  function draw(view) {
    const { canvas, segment } = view, px = sizes[size], across = columns();
    view.across = across;
    const rows = Math.ceil(segment.kinds.length / across), ratio = window.devicePixelRatio || 1;
    canvas.width = across * px * ratio;
    canvas.height = rows * px * ratio;
    canvas.style.width = across * px + "px";
    canvas.style.height = rows * px + "px";
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const gap = px >= 6 ? 1 : 0;
    for (let cell = 0; cell < segment.kinds.length; cell++) {
      const fill = colour(segment, cell);
      if (fill === null) continue;
      context.fillStyle = fill;
      context.fillRect(cell % across * px, Math.floor(cell / across) * px, px - gap, px - gap);
    }
    if (segment.break) {
      const at = Math.floor((data.break.now - segment.start) / data.cell_bytes);
      context.fillStyle = "#d00000";
      context.fillRect(at % across * px - 1, Math.floor(at / across) * px, 2, px);
    }
    if (chosen !== null && chosen.view === view) {
      context.strokeStyle = style("--ink");
      context.lineWidth = 2;
      context.strokeRect(chosen.cell % across * px, Math.floor(chosen.cell / across) * px, px, px);
    }
  }

  function tell(view, cell) {
    const segment = view.segment, before = chosen;
    chosen = { view, cell };
    const start = segment.start + cell * data.cell_bytes;
    const isBreak = segment.break && data.break.now > start && data.break.now <= start + data.cell_bytes;
    about.textContent =
      `${hex(start)}, ${bytes(data.cell_bytes)}: ${names[segment.kinds[cell]]}; ` +
      `${bytes(segment.live_bytes[cell])} live, ${bytes(segment.resident_bytes[cell])} in memory` +
      (isBreak ? "; the program break is here" : "");
    if (before !== null && before.view !== view) draw(before.view);
    draw(view);
  }

  function pointed(view, event) {
    const box = view.canvas.getBoundingClientRect(), px = sizes[size];
    const column = Math.floor((event.clientX - box.left) / px), row = Math.floor((event.clientY - box.top) / px);
    const cell = row * view.across + column;
    if (column >= 0 && column < view.across && cell >= 0 && cell < view.segment.kinds.length) tell(view, cell);
  }

  function resize(step) {
    size = Math.min(sizes.length - 1, Math.max(0, size + step));
    views.forEach(draw);
    if (chosen !== null) chosen.view.canvas.scrollIntoView({ block: "nearest" });
  }

  function moved(view, event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -view.across, ArrowDown: view.across };
    if (!(event.key in steps)) return;
    const from = chosen !== null && chosen.view === view ? chosen.cell : 0;
    const cell = from + steps[event.key];
    if (cell >= 0 && cell < view.segment.kinds.length) tell(view, cell);
    event.preventDefault();
  }

  function add(segment) {
    const heading = document.createElement("h2");
    heading.textContent = (segment.break ? "Program break" : "Mappings") +
      `, ${hex(segment.start)} to ${hex(segment.end)}, ${bytes(segment.end - segment.start)}`;
    const scroll = document.createElement("div"), canvas = document.createElement("canvas");
    scroll.className = "scroll";
    canvas.tabIndex = 0;
    canvas.setAttribute("aria-label", heading.textContent);
    const view = { segment, canvas };
    canvas.addEventListener("mousemove", event => pointed(view, event));
    canvas.addEventListener("keydown", event => moved(view, event));
    scroll.append(canvas);
    place.append(heading, scroll);
    views.push(view);
  }

  function legend() {
    const box = legendPlace, levels = document.createElement("span");
    levels.className = "levels";
    for (const fill of data.colours.levels) {
      const mark = document.createElement("i");
      mark.style.background = fill;
      levels.append(mark);
    }
    levels.append(" live blocks, few to full");
    box.append(levels);
    for (const [fill, name] of Object.values(data.colours.kinds)) {
      const entry = document.createElement("span"), mark = document.createElement("i");
      mark.style.background = name === names["."] ? "var(--empty)" : fill;
      entry.append(mark, name);
      box.append(entry);
    }
    const cell = document.createElement("span");
    cell.textContent = "a cell is " + bytes(data.cell_bytes);
    box.append(cell);
  }

  legend();
  data.segments.forEach(add);
  views.forEach(draw);
  const drawAll = () => views.forEach(draw);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  window.addEventListener("resize", drawAll);
  dark.addEventListener("change", drawAll);
  function close() {
    window.removeEventListener("resize", drawAll);
    dark.removeEventListener("change", drawAll);
  }
  return { resize, close };
}
