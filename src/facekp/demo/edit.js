// What a person does with the picture: choosing, moving, zooming.  Gradio runs page.js and this as one text.

function choose(place) {
  const same = chosen && chosen.face === place.face && chosen.point === place.point;
  [chosen, current] = [place, place.face];
  find("[data-do=pick]").value = current;
  if (!same) ask();
  const { x, y } = at(place);
  const out = x < port.x || y < port.y || x > port.x + port.width || y > port.y + port.height;
  if (out) Object.assign(port, { x: x - port.width / 2, y: y - port.height / 2 });
  refresh();
}

function refresh() { // what can be seen, after a change or a choice
  draw();
  say();
  if (find(".fk-details").open) fillTable();
}

function change(place, next, coalesce = false) {
  const p = at(place);
  const last = past[past.length - 1];
  const goesOn = coalesce && last && last.key && last[0].face === place.face && last[0].point === place.point;
  if (!goesOn) past.push(Object.assign([{ ...place, x: p.x, y: p.y, missing: p.missing }], { key: coalesce }));
  Object.assign(p, next);
  settle(place);
}

function settle(place) {
  const [p, given] = [at(place), view.faces[place.face].points[place.point]];
  p.moved = given ? p.missing || p.x !== given[0] || p.y !== given[1] : !p.missing;
  publish();
  refresh();
}

function undo() {
  for (const { face, point, ...old } of past.pop() || []) {
    Object.assign(faces[face][point], old);
    settle({ face, point });
  }
}

function reset() {
  const all = [];
  faces.forEach((points, face) => points.forEach((p, point) => {
    if (!p.moved) return;
    all.push({ face, point, x: p.x, y: p.y, missing: p.missing });
    const given = view.faces[face].points[point];
    Object.assign(p, { x: given ? given[0] : p.x, y: given ? given[1] : p.y, missing: !given, moved: false });
  }));
  if (all.length) past.push(all);
  publish();
  refresh();
}

function publish() { // Python reads a hidden text box
  const box = document.querySelector("#fk-edits textarea");
  if (!box) return;
  const points = faces.map((all) => all.map((p) => (p.missing ? null : [p.x, p.y])));
  const text = !view ? "" : JSON.stringify({ id: view.id, points, hidden: [...hidden],
    numbers: on("numbers"), lines: on("lines"), boxes: on("boxes") });
  // Past the setter that Svelte put on this very box.
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, text);
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

// ---------------------------------------------------------------- the map of the chosen point

function ask() {
  if (on("heat") && chosen && view.mappable) trigger("select", { ...chosen, id: view.id });
  if (on("heat") && !view.mappable) status.textContent = "This model gives points directly, not by way of maps.";
}

function warm() {
  const got = props.heat;
  if (!view || !got || got.id !== view.id) return;
  for (const key of ["href", "width", "height"]) heat.setAttribute(key, got[key]);
  heat.setAttribute("transform", `matrix(${got.matrix.join(" ")})`);
  heat.dataset.of = JSON.stringify({ face: got.face, point: got.point });
  draw();
}

// ---------------------------------------------------------------- zoom

function fit(box) {
  const whole = [-0.5, -0.5, view.width - 0.5, view.height - 0.5];
  const [x0, y0, x1, y1] = box || whole;
  const more = box ? 0.18 * Math.max(x1 - x0, y1 - y0) : 0;
  port = { x: x0 - more, y: y0 - more, width: x1 - x0 + 2 * more, height: y1 - y0 + 2 * more };
  draw();
}

function zoom(factor, about) {
  const x = about ? about.x : port.x + port.width / 2;
  const y = about ? about.y : port.y + port.height / 2;
  const f = Math.min(Math.max(factor, 8 / port.width), (4 * view.width) / port.width);
  port = { x: x - (x - port.x) * f, y: y - (y - port.y) * f, width: port.width * f, height: port.height * f };
  draw();
}

const here = (event) => // a place on the screen, in pixels of the picture
  new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());

// ---------------------------------------------------------------- pointer and keys

function nearest(spot) {
  const reach = NEAR / svg.getScreenCTM().a;
  let best = null;
  faces.forEach((points, face) => points.forEach((p, point) => {
    const far = Math.hypot(p.x - spot.x, p.y - spot.y);
    if (p.shown && far <= reach && (!best || far < best.far)) best = { face, point, far };
  }));
  return best && { face: best.face, point: best.point };
}

svg.addEventListener("pointerdown", (event) => {
  if (!view || event.button) return;
  event.preventDefault();
  const spot = here(event);
  const place = nearest(spot);
  if (place) at(place).mark.focus({ preventScroll: true });
  const start = place ? { x: at(place).x, y: at(place).y } : { ...port };
  hold = { place, spot, start, x: event.clientX, y: event.clientY, moving: false };
  svg.setPointerCapture(event.pointerId);
});

svg.addEventListener("pointermove", (event) => {
  if (!hold) return;
  // A press that hardly moves chooses a point and leaves it where it is.
  hold.moving ||= Math.hypot(event.clientX - hold.x, event.clientY - hold.y) >= 3;
  if (!hold.moving) return;
  const unit = 1 / svg.getScreenCTM().a;
  const [dx, dy] = [(event.clientX - hold.x) * unit, (event.clientY - hold.y) * unit];
  if (hold.place) Object.assign(at(hold.place), { x: hold.start.x + dx, y: hold.start.y + dy });
  else Object.assign(port, { x: hold.start.x - dx, y: hold.start.y - dy });
  draw();
  if (hold.place) say();
});

const release = () => {
  const [held, done] = [hold, hold && hold.place && hold.moving];
  hold = null;
  if (!done) return;
  const p = at(held.place);
  const next = { x: p.x, y: p.y, missing: false };
  Object.assign(p, held.start); // so that what is taken back later is the place before the drag
  change(held.place, next);
};
svg.addEventListener("pointerup", release);
svg.addEventListener("pointercancel", release);

svg.addEventListener("wheel", (event) => {
  if (!view || !(event.ctrlKey || event.metaKey)) return; // the page scrolls
  event.preventDefault();
  zoom(Math.exp(0.002 * event.deltaY), here(event));
}, { passive: false });

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOMS = { "+": "in", "=": "in", "-": "out", 0: "fit", f: "face" };
svg.addEventListener("keydown", (event) => {
  const p = chosen && at(chosen);
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (ARROWS[event.key] && p) {
    const [dx, dy] = ARROWS[event.key].map((v) => v * STEP * (event.shiftKey ? 8 : 1));
    change(chosen, { x: p.x + dx, y: p.y + dy, missing: false }, true);
  } else if (["Delete", "Backspace"].includes(event.key) && p) change(chosen, { missing: !p.missing });
  else if (event.key === "Escape") find("[data-do=missing]").focus(); // out of the points
  else if (ZOOMS[event.key]) ACTS[ZOOMS[event.key]]();
  else return;
  event.preventDefault();
});

const ACTS = {
  in: () => zoom(1 / 1.4, chosen && at(chosen)),
  out: () => zoom(1.4),
  fit: () => fit(null),
  face: () => faces.length && fit(view.faces[current].box),
  pick: () => { current = Number(find("[data-do=pick]").value); ACTS.face(); fillTable(); },
  missing: () => chosen && change(chosen, { missing: !at(chosen).missing }),
  undo,
  reset,
};
root.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  const group = event.target.closest("button[data-group]");
  const row = event.target.closest("tr[data-point]");
  if (button && view) ACTS[button.dataset.do]();
  if (row) faces[current][Number(row.dataset.point)].mark.focus({ preventScroll: true });
  if (!group) return;
  const name = group.dataset.group;
  if (!hidden.delete(name)) hidden.add(name);
  group.setAttribute("aria-pressed", String(!hidden.has(name)));
  publish();
  draw();
});
root.addEventListener("change", (event) => {
  if (!view) return;
  if (event.target.dataset.do === "pick") ACTS.pick();
  if (event.target.dataset.show === "heat") ask();
  publish();
  draw();
});
find(".fk-details").addEventListener("toggle", fillTable);
new ResizeObserver(draw).observe(svg);
watch("value", load);
watch("heat", warm);
load();
