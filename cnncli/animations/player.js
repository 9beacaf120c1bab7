"use strict";
// Shows what the page holds as JSON: every number was computed and written before. Here it is only put into cells.
const data = JSON.parse(document.getElementById("frames").textContent);
const [rows, columns] = data.output, last = data.frames.length - 1, across = data.kinds[0].length;
const found = (id) => document.getElementById(id);
const slider = found("slider"), working = found("working"), play = found("play");
let now = 0, timer = 0;

/** Fills a table with rows of cells, and returns its cells, row by row. */
function fill(table, height, width, text, role) {
  for (let row = 0; row < height; row++) {
    const line = table.insertRow();
    if (role) line.role = "row";
    for (let column = 0; column < width; column++) {
      const cell = line.insertCell();
      if (role) cell.role = role;
      cell.textContent = text(row, column);
    }
  }
  return [...table.querySelectorAll("td")];
}

/** Moves the frame of a board over cells, and into sight where the board is wider than the page. */
function frame(table, row, column, height, width) {
  const board = table.parentElement, box = board.querySelector(".frame"), side = Number(board.dataset.cell);
  Object.entries({ y: row, x: column, h: height, w: width }).forEach(([key, cells]) =>
    box.style.setProperty("--" + key, cells * side + "px"));
  const room = board.parentElement, left = column * side, right = left + width * side;
  if (left < room.scrollLeft) room.scrollLeft = left;
  if (right > room.scrollLeft + room.clientWidth) room.scrollLeft = right - room.clientWidth;
}

const planes = data.planes.map((plane, number) => {
  const table = found("plane-" + number).querySelector("table");
  const cells = fill(table, plane.length, across, (row, column) => plane[row][column]);
  cells.forEach((cell, at) => {
    const kind = data.kinds[Math.floor(at / across)][at % across];
    cell.className = kind;
    if (kind !== "i") cell.ariaLabel = `${cell.textContent} (${data.names[kind]})`;
  });
  return { table, cells };
});
const terms = data.kernels.map(({ channel, weights }, number) => {
  const cells = (what, text) => fill(found(what + "-" + number).querySelector("table"), ...data.window, text);
  cells("kernel", (row, column) => weights[row][column]);
  return { channel, window: cells("window", () => ""), products: cells("products", () => ""), sum: found("sum-" + number) };
});
const output = found("output").querySelector("table");
const results = fill(output, rows, columns, () => "", "gridcell");

/** Writes the number of a position into the output. */
function reveal(number) {
  const { value, x, y } = data.frames[number], cell = results[number];
  cell.className = "done";
  cell.textContent = value;
  cell.ariaLabel = `x=${x}, y=${y}` + (value && ": " + value);
}

/** Takes the numbers out of the output again. */
function clear() {
  results.forEach((cell, number) => {
    const { x, y } = data.frames[number];
    cell.className = cell.textContent = "";
    cell.ariaLabel = `x=${x}, y=${y}`;
  });
}

/** Shows a position: its window, products, sum and steps. */
function show(number) {
  results[now].tabIndex = -1;
  now = number;
  const { start, products, sums, lines, chosen, x, y } = data.frames[now];
  const places = data.taps.map((tap) => start + tap), row = Math.floor(start / across), column = start % across;
  planes.forEach(({ table, cells }) => {
    cells.forEach((cell) => cell.classList.remove("under", "chosen"));
    places.forEach((place) => cells[place].classList.add("under"));
    chosen.forEach((tap) => cells[places[tap]].classList.add("chosen"));
    frame(table, row, column, ...data.reach);
  });
  terms.forEach((term, number) => {
    term.window.forEach((cell, tap) => {
      const under = planes[term.channel].cells[places[tap]];
      cell.textContent = under.textContent;
      cell.className = under.className;
      cell.ariaLabel = under.ariaLabel;
    });
    term.products.forEach((cell, tap) => { cell.textContent = products[number][tap]; });
    term.sum.textContent = sums[number];
  });
  reveal(now);
  results[now].tabIndex = 0;
  frame(output, y, x, 1, 1);
  slider.value = now;
  slider.ariaValueText = found("count").textContent = `position ${now + 1} of ${last + 1}`;
  working.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  working.style.minHeight = working.offsetHeight + "px"; // a page that shrank would put another cell under the mouse
}

function pause() {
  clearTimeout(timer);
  timer = 0;
  play.textContent = "Play";
  working.ariaLive = "polite";
}

function start() {
  if (now === last) {
    clear();
    show(0);
  }
  play.textContent = "Pause";
  working.ariaLive = "off"; // one position a second would drown what else is read aloud
  timer = setTimeout(next, data.delay);
}

function next() {
  if (now < last) show(now + 1);
  if (now < last) timer = setTimeout(next, data.delay);
  else pause();
}

const toggle = () => (timer ? pause() : start());

/** Goes to a position by hand; what lies before it was computed before it, where the way there was skipped. */
function go(number, whole) {
  pause();
  if (whole) for (let before = 0; before < number; before++) reveal(before);
  show(number);
}

const least = () => go(0), most = () => go(last, true), step = (by) => go(Math.min(Math.max(now + by, 0), last));
play.onclick = toggle;
found("first").onclick = least;
found("back").onclick = () => step(-1);
found("next").onclick = () => step(1);
found("last").onclick = most;
slider.oninput = () => go(Number(slider.value), true);
for (const kind of ["pointerover", "click", "focusin"]) {
  output.addEventListener(kind, (event) => {
    const number = results.indexOf(event.target.closest("td"));
    if (number >= 0 && (number !== now || timer)) go(number);
  });
}

document.addEventListener("keydown", (event) => {
  const within = output.contains(event.target), own = event.target === slider;
  const keys = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: least, End: most };
  if (within) {
    keys.ArrowDown = () => now + columns <= last && step(columns);
    keys.ArrowUp = () => now >= columns && step(-columns);
  }
  const act = event.key === " " ? event.target.tagName !== "BUTTON" && toggle : !own && keys[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
  if (within && act !== toggle) results[now].focus();
});

clear();
show(0);
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) start();
