// The picture with its points: an SVG whose user units are facekp's frame, (0, 0) the centre of the top left pixel.
// Gradio runs page.js and edit.js as one text, once, with the gr.HTML component's `element`, `trigger`, `props`, `watch`.

const root = element.querySelector(".fk");
const svg = root.querySelector(".fk-svg");
const status = root.querySelector(".fk-status");
const find = (selector) => root.querySelector(selector);
const STEP = 0.25; // pixels of the picture that an arrow key moves a point
const NEAR = 14; // pixels of the screen within which a press takes the nearest point

let view = null; // what Python gave: see demo/view.py
let faces = []; // of each face its points: { x, y, missing, moved, shown, mark, text }
let edges = []; // { face, a, b, line }
let boxes = [];
let heat = null; // the <image> of the map
let past = []; // changes to take back: each a list of { face, point, x, y, missing }
let chosen = null; // { face, point }
let current = 0; // the face that keys and the table are about
let hidden = new Set(); // groups
let port = { x: 0, y: 0, width: 1, height: 1 }; // the part of the picture that is seen
let hold = null; // what a pressed pointer does

const make = (tag, attributes, parent) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.appendChild(node);
  return node;
};
const on = (name) => find(`[data-show=${name}]`).checked;
const at = (place) => faces[place.face][place.point];
const groupOf = (i) => Object.keys(view.groups).find((name) => view.groups[name].includes(i));
const colour = (i) => view.colors[groupOf(i)] || view.colors.other;

// ---------------------------------------------------------------- from Python

function load() {
  view = props.value && props.value.faces ? props.value : null;
  svg.replaceChildren();
  [faces, edges, boxes, past, chosen, current, heat] = [[], [], [], [], null, 0, null];
  root.dataset.state = view ? "full" : "empty";
  if (view) build();
  if (view) fit(null);
  fillFaces();
  fillGroups();
  fillTable();
  say();
  publish();
}

function build() {
  find(".fk-stage").style.setProperty("--shape", view.width / view.height);
  make("image", { href: view.href, x: -0.5, y: -0.5, width: view.width, height: view.height,
    preserveAspectRatio: "none" }, svg);
  heat = make("image", { x: -0.5, y: -0.5, preserveAspectRatio: "none", visibility: "hidden", class: "fk-heat" }, svg);
  boxes = view.faces.map(({ box: [x0, y0, x1, y1] }) =>
    make("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, class: "fk-box" }, svg));
  view.faces.forEach((_, face) => {
    for (const [a, b] of view.edges)
      edges.push({ face, a, b, line: make("line", { class: "fk-line", stroke: colour(b) }, svg) });
  });
  faces = view.faces.map((given, face) => given.points.map((place, i) => {
    const mark = make("g", { class: "fk-point", tabindex: 0, role: "button" }, svg);
    make("circle", { class: "fk-rim" }, mark);
    make("circle", { class: "fk-dot", stroke: colour(i), fill: given.scores[i] < 0.5 ? "#0c0e18" : colour(i) }, mark);
    make("path", { class: "fk-cross", stroke: colour(i) }, mark);
    const text = make("text", { class: "fk-number", fill: colour(i) }, svg);
    text.textContent = i;
    mark.addEventListener("focus", () => choose({ face, point: i }));
    const [x, y] = place || [0, 0];
    return { x, y, missing: !place, moved: false, mark, text };
  }));
}

// ---------------------------------------------------------------- drawing

function draw() {
  if (!view) return;
  svg.setAttribute("viewBox", `${port.x} ${port.y} ${port.width} ${port.height}`);
  const matrix = svg.getScreenCTM();
  if (!matrix || !matrix.a) return; // not on the screen
  const unit = 1 / matrix.a; // a screen pixel, in pixels of the picture
  faces.forEach((points, face) => {
    const [x0, y0, x1, y1] = view.faces[face].box;
    const radius = Math.min(Math.max(0.009 * Math.hypot(x1 - x0, y1 - y0) / unit, 1.6), 5) * unit;
    points.forEach((p, i) => place(p, i, face, radius, unit));
    boxes[face].setAttribute("visibility", on("boxes") ? "visible" : "hidden");
  });
  for (const { face, a, b, line } of edges) {
    const [p, q] = [faces[face][a], faces[face][b]];
    const seen = on("lines") && p.shown && q.shown && !p.missing && !q.missing;
    line.setAttribute("visibility", seen ? "visible" : "hidden");
    for (const [key, value] of [["x1", p.x], ["y1", p.y], ["x2", q.x], ["y2", q.y]]) line.setAttribute(key, value);
  }
  heat.setAttribute("visibility", on("heat") && heat.dataset.of === JSON.stringify(chosen) ? "visible" : "hidden");
}

function place(p, i, face, radius, unit) {
  const here = chosen && chosen.face === face && chosen.point === i;
  const [rim, dot, cross] = p.mark.children;
  const r = here ? Math.max(1.5 * radius, 4.5 * unit) : radius;
  p.shown = !hidden.has(groupOf(i));
  p.mark.setAttribute("transform", `translate(${p.x} ${p.y})`);
  p.mark.setAttribute("visibility", p.shown ? "visible" : "hidden");
  p.mark.classList.toggle("fk-here", Boolean(here));
  p.mark.classList.toggle("fk-missing", p.missing);
  p.mark.setAttribute("aria-label", words(face, i));
  rim.setAttribute("r", r + (here ? 2.4 : 1.3) * unit);
  dot.setAttribute("r", r);
  dot.setAttribute("stroke-width", 0.5 * r);
  cross.setAttribute("d", `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`);
  const seen = p.shown && !p.missing && (on("numbers") || here);
  p.text.setAttribute("visibility", seen ? "visible" : "hidden");
  p.text.setAttribute("x", p.x + r + 2 * unit);
  p.text.setAttribute("y", p.y - r - 1 * unit);
  p.text.setAttribute("font-size", (here ? 13 : 10) * unit);
  p.text.setAttribute("stroke-width", 2 * unit);
}

const words = (face, i) => {
  const [p, given] = [faces[face][i], view.faces[face]];
  if (p.missing) return `${i} ${view.names[i]}: missing`;
  const sure = p.moved ? "moved by you" : `score ${given.scores[i].toFixed(2)}`;
  const off = !p.moved && given.off && given.off[i] !== null ? `, off by ${given.off[i].toFixed(1)} px or so` : "";
  return `${i} ${view.names[i]}: (${p.x.toFixed(2)}, ${p.y.toFixed(2)}), ${sure}${off}`;
};

function say() {
  const hint = "Choose a point: click it, or Tab to it. Drag it or use the arrow keys to move it.";
  status.textContent = !view ? "" : !view.faces.length ? "No face." : chosen ? words(chosen.face, chosen.point) : hint;
  find("[data-do=undo]").disabled = !past.length;
  find("[data-do=reset]").disabled = !faces.some((points) => points.some((p) => p.moved));
  find("[data-do=missing]").disabled = !chosen;
  find("[data-do=missing]").textContent = chosen && at(chosen).missing ? "Not missing" : "Mark missing";
}

function fillFaces() {
  const pick = find("[data-do=pick]");
  pick.hidden = faces.length < 2;
  pick.replaceChildren(...faces.map((_, i) => new Option(`face ${i + 1} of ${faces.length}`, i)));
}

function fillGroups() {
  const bar = find(".fk-groups");
  const buttons = Object.keys(view && view.faces.length ? view.groups : {}).map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.group = name;
    button.textContent = name.replace("_", " ");
    button.style.setProperty("--colour", view.colors[name] || view.colors.other);
    button.setAttribute("aria-pressed", String(!hidden.has(name)));
    return button;
  });
  bar.replaceChildren(...buttons);
}

function fillTable() {
  const rows = !view || !faces.length ? [] : faces[current].map((p, i) => {
    const row = document.createElement("tr");
    row.dataset.point = i;
    row.classList.toggle("fk-here", Boolean(chosen && chosen.face === current && chosen.point === i));
    const score = p.missing ? "missing" : p.moved ? "yours" : view.faces[current].scores[i].toFixed(2);
    const cells = [i, view.names[i], p.missing ? "" : p.x.toFixed(2), p.missing ? "" : p.y.toFixed(2), score];
    row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    row.firstChild.style.setProperty("--colour", colour(i));
    return row;
  });
  find("tbody").replaceChildren(...rows);
}
