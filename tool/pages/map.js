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
  // No canvas can be as long as a big heap: each has only the rows that are in sight, and some above and below.
  const spare = 32;
  const hex = address => "0x" + address.toString(16);
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function colour(segment, cell, empty) {
    const kind = segment.kinds[cell];
    if (kind === " ") return null;
    if (kind === ".") return empty;
    return kind === "L" ? data.colours.levels[segment.levels[cell] - 1] : data.colours.kinds[kind][0];
  }

  function columns() {
    return Math.max(16, Math.floor((document.documentElement.clientWidth - 36) / sizes[size]));
  }

  // The box has room for all rows.
  function layOut(view) {
    const px = sizes[size];
    view.across = columns();
    view.rows = Math.ceil(view.segment.kinds.length / view.across);
    view.box.style.width = view.across * px + "px";
    view.box.style.height = view.rows * px + "px";
  }

  function draw(view) {
    const { canvas, segment, across } = view, px = sizes[size], ratio = window.devicePixelRatio || 1;
    const top = view.box.getBoundingClientRect().top;
    const first = Math.min(view.rows - 1, Math.max(0, Math.floor(-top / px) - spare));
    const end = Math.max(first + 1, Math.min(view.rows, Math.ceil((window.innerHeight - top) / px) + spare));
    canvas.width = Math.round(across * px * ratio);
    canvas.height = Math.round((end - first) * px * ratio);
    canvas.style.width = across * px + "px";
    canvas.style.height = (end - first) * px + "px";
    canvas.style.top = first * px + "px";
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, -first * px * ratio);
    const gap = px >= 6 ? 1 : 0, empty = style("--empty");
    for (let cell = first * across; cell < Math.min(end * across, segment.kinds.length); cell++) {
      const fill = colour(segment, cell, empty);
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

  function drawAll() {
    views.forEach(layOut);
    if (views.some(view => view.across !== columns())) views.forEach(layOut); // now there is a scroll bar, or none
    views.forEach(draw);
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

  // Into sight, between the two bars.
  function follow() {
    const { view, cell } = chosen, px = sizes[size];
    const top = view.box.getBoundingClientRect().top + Math.floor(cell / view.across) * px;
    const above = top - document.querySelector("header").getBoundingClientRect().bottom;
    const below = top + px - about.getBoundingClientRect().top;
    if (above < 0 || below > 0) window.scrollBy(0, above < 0 ? above : below);
  }

  function pointed(view, event) {
    const box = view.box.getBoundingClientRect(), px = sizes[size];
    const column = Math.floor((event.clientX - box.left) / px), row = Math.floor((event.clientY - box.top) / px);
    const cell = row * view.across + column;
    if (column >= 0 && column < view.across && cell >= 0 && cell < view.segment.kinds.length) tell(view, cell);
  }

  function resize(step) {
    size = Math.min(sizes.length - 1, Math.max(0, size + step));
    drawAll();
    if (chosen !== null) follow();
  }

  function moved(view, event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -view.across, ArrowDown: view.across };
    if (!(event.key in steps)) return;
    const from = chosen !== null && chosen.view === view ? chosen.cell : 0;
    const cell = from + steps[event.key];
    if (cell >= 0 && cell < view.segment.kinds.length) {
      tell(view, cell);
      follow();
    }
    event.preventDefault();
  }

  function add(segment) {
    const heading = document.createElement("h2");
    heading.textContent = (segment.break ? "Program break" : "Mappings") +
      `, ${hex(segment.start)} to ${hex(segment.end)}, ${bytes(segment.end - segment.start)}`;
    const scroll = document.createElement("div"), box = document.createElement("div");
    const canvas = document.createElement("canvas");
    scroll.className = "scroll";
    box.className = "cells";
    canvas.tabIndex = 0;
    canvas.setAttribute("aria-label", heading.textContent);
    const view = { segment, box, canvas };
    canvas.addEventListener("mousemove", event => pointed(view, event));
    canvas.addEventListener("keydown", event => moved(view, event));
    box.append(canvas);
    scroll.append(box);
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
  drawAll();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const scrolled = () => requestAnimationFrame(() => views.forEach(draw));
  window.addEventListener("resize", drawAll);
  window.addEventListener("scroll", scrolled);
  dark.addEventListener("change", drawAll);
  function close() {
    window.removeEventListener("resize", drawAll);
    window.removeEventListener("scroll", scrolled);
    dark.removeEventListener("change", drawAll);
  }
  const forget = () => { chosen = null; };
  return { resize, close, views, style, forget, size: () => size, px: () => sizes[size], chosen: () => chosen };
}
