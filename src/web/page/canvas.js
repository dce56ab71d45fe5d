// The infinite map. While it moves, tiles come from cached pictures of 8x8 tiles, drawn
// for the next greater power of two; when it rests, they are drawn once more, sharp.

import { $, plural, rgb, visibleName } from "./dom.js";
import { clamp, key, modelOf, moveCursor, on, state, tell, tileAt } from "./state.js";

const CHUNK = 8;
const LEAST = 3, MOST = 360, USUAL = 132;
const REST = 140;
/** Pictures of chunks that are kept: at most 64 MiB or so. */
const KEPT = 400;
/** Milliseconds of a frame in which chunks may be drawn. */
const BUDGET = 6;

const canvas = $("map");
const context = canvas.getContext("2d", { alpha: false });
const camera = { x: 0.5, y: 0.5, scale: USUAL };
let goal = null;
let size = { width: 1, height: 1, ratio: 1 };
let colours = {};
let chunks = new Map();
let pictures = new Map();
let frame = 0, lastMove = 0, hover = null, restTimer = 0;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const chunkKey = (x, y) => key(Math.floor(x / CHUNK), Math.floor(y / CHUNK));

/** The tiles in chunks of 8x8: what is not seen costs nothing. */
function index() {
  chunks = new Map();
  for (const tile of state.tiles.values()) {
    const at = chunkKey(tile.x, tile.y);
    if (!chunks.has(at)) chunks.set(at, new Map());
    chunks.get(at).set(key(tile.x, tile.y), tile);
  }
  pictures.clear();
}

function forget(tile) {
  const at = chunkKey(tile.x, tile.y);
  if (!chunks.has(at)) chunks.set(at, new Map());
  chunks.get(at).set(key(tile.x, tile.y), tile);
  for (const name of pictures.keys()) if (name.startsWith(`${at}@`)) pictures.delete(name);
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ground", "grid", "origin", "tile", "edge", "ink", "soft", "accent", "warn"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--map-${name}`).trim()]));
  pictures.clear();
  draw();
}

/** A round rectangle for a tile that begins at x, y. */
function box(target, x, y, side, gap, radius) {
  target.beginPath();
  target.roundRect(x + gap, y + gap, side - 2 * gap, side - 2 * gap, radius);
}

const colourOf = (tile) => {
  const model = modelOf(tile.model);
  return model ? rgb(model.rgba) : colours.soft;
};

/** Lines of a text that fit; the last one ends with an ellipsis. */
function wrap(target, text, width, most) {
  const lines = [];
  let line = "";
  const words = visibleName(text).split(" ");
  for (let at = 0; at < words.length; at += 1) {
    let word = words[at];
    const tried = line ? `${line} ${word}` : word;
    if (target.measureText(tried).width <= width) { line = tried; continue; }
    if (line) { lines.push(line); line = ""; }
    if (lines.length === most) break;
    while (word && target.measureText(word).width > width) word = word.slice(0, -1);
    line = word;
    if (word.length < words[at].length) { lines.push(line); line = ""; if (lines.length === most) break; words.splice(at + 1, 0, words[at].slice(word.length)); }
  }
  if (line && lines.length < most) { lines.push(line); return lines; }
  if (lines.length === most) {
    let last = lines[most - 1];
    while (last && target.measureText(`${last}\u2026`).width > width) last = last.slice(0, -1);
    lines[most - 1] = `${last}\u2026`;
  }
  return lines;
}

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";

/** One tile, `side` pixels wide. */
function drawTile(target, tile, x, y, side) {
  if (side < 12) {
    const gap = side < 6 ? 0.5 : 1;
    target.fillStyle = colourOf(tile);
    target.fillRect(x + gap, y + gap, side - 2 * gap, side - 2 * gap);
    return;
  }
  const gap = Math.max(1, side * 0.035), radius = side * 0.09;
  box(target, x, y, side, gap, radius);
  target.fillStyle = colours.tile;
  target.fill();
  target.lineWidth = Math.max(1, side * 0.008);
  target.strokeStyle = colours.edge;
  target.stroke();
  // The model's pixel.
  const pixel = side < 48 ? side * 0.34 : Math.max(7, side * 0.075);
  const inset = side < 48 ? (side - pixel) / 2 : gap + side * 0.085;
  target.fillStyle = colourOf(tile);
  target.beginPath();
  target.roundRect(x + inset, y + inset, pixel, pixel, pixel * 0.25);
  target.fill();
  if (side < 48) return;
  target.textBaseline = "top";
  const left = x + gap + side * 0.085, width = side - 2 * (gap + side * 0.085);
  const small = Math.max(8, side * 0.078), large = Math.max(9, side * 0.1);
  target.fillStyle = colours.soft;
  target.font = `${small}px ${FONT}`;
  target.textAlign = "right";
  target.fillText(String(tile.count), left + width, y + inset - small * 0.1);
  target.textAlign = "left";
  if (side >= 96) target.fillText(key(tile.x, tile.y), left + pixel + small * 0.6, y + inset - small * 0.1);
  if (side < 64) return;
  let at = y + inset + pixel + side * 0.07;
  target.fillStyle = colours.ink;
  target.font = `600 ${large}px ${FONT}`;
  for (const line of wrap(target, tile.title ?? "Not begun", width, 2)) { target.fillText(line, left, at); at += large * 1.25; }
  if (side >= 96 && tile.last && tile.last_role === "assistant") {
    at += large * 0.3;
    target.fillStyle = colours.soft;
    target.font = `${small * 1.05}px ${FONT}`;
    const room = Math.floor((y + side - gap - side * 0.06 - at) / (small * 1.3));
    for (const line of wrap(target, tile.last, width, Math.max(0, Math.min(4, room)))) { target.fillText(line, left, at); at += small * 1.3; }
  }
}

/** What moves on a tile: it is being answered, or waits for an answer. */
function drawMark(tile, x, y, side, now) {
  if (!tile.answering && !tile.open) return;
  const radius = Math.max(1.5, side * 0.035);
  context.globalAlpha = tile.answering && !calm.matches ? 0.55 + 0.45 * Math.sin(now / 220) : 1;
  context.fillStyle = tile.answering ? colours.accent : colours.warn;
  context.beginPath();
  context.arc(x + side - side * 0.13, y + side - side * 0.13, radius, 0, 7);
  context.fill();
  context.globalAlpha = 1;
}

/** The picture of a chunk for tiles of `side` device pixels; made if there is time. */
function picture(at, chunk, side, deadline) {
  const name = `${at}@${side}`;
  let made = pictures.get(name);
  if (made) {
    // The one used last is the last to go.
    pictures.delete(name);
    pictures.set(name, made);
    return made;
  }
  if (performance.now() > deadline) return null;
  made = new OffscreenCanvas(side * CHUNK, side * CHUNK);
  const target = made.getContext("2d");
  const [left, top] = at.split(",").map((n) => Number(n) * CHUNK);
  for (const tile of chunk.values()) drawTile(target, tile, (tile.x - left) * side, (tile.y - top) * side, side);
  pictures.set(name, made);
  if (pictures.size > KEPT) pictures.delete(pictures.keys().next().value);
  return made;
}

function drawGrid(left, top, scale) {
  if (scale < 14) return;
  context.globalAlpha = Math.min(1, (scale - 14) / 20);
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = Math.ceil(left); (x - left) * scale < size.width; x += 1) {
    const at = Math.round((x - left) * scale * size.ratio) / size.ratio + 0.5 / size.ratio;
    context.moveTo(at, 0);
    context.lineTo(at, size.height);
  }
  for (let y = Math.ceil(top); (y - top) * scale < size.height; y += 1) {
    const at = Math.round((y - top) * scale * size.ratio) / size.ratio + 0.5 / size.ratio;
    context.moveTo(0, at);
    context.lineTo(size.width, at);
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** Calls `each` with the chunks that are seen. */
function seen(left, top, scale, each) {
  const x0 = Math.floor(left / CHUNK), y0 = Math.floor(top / CHUNK);
  const x1 = Math.floor((left + size.width / scale) / CHUNK), y1 = Math.floor((top + size.height / scale) / CHUNK);
  if ((x1 - x0 + 1) * (y1 - y0 + 1) > chunks.size) {
    for (const [at, chunk] of chunks) {
      const [x, y] = at.split(",").map(Number);
      if (x >= x0 && x <= x1 && y >= y0 && y <= y1) each(at, chunk, x * CHUNK, y * CHUNK);
    }
    return;
  }
  for (let y = y0; y <= y1; y += 1) for (let x = x0; x <= x1; x += 1) {
    const at = key(x, y), chunk = chunks.get(at);
    if (chunk) each(at, chunk, x * CHUNK, y * CHUNK);
  }
}

function paint(now) {
  frame = 0;
  step(now);
  const { scale } = camera, { ratio } = size;
  const left = camera.x - size.width / 2 / scale, top = camera.y - size.height / 2 / scale;
  const moves = goal !== null || now - lastMove < REST;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, size.width, size.height);
  drawGrid(left, top, scale);
  const side = 2 ** Math.max(1, Math.ceil(Math.log2(scale * ratio)));
  // Large tiles are few, and their pictures would take much memory.
  const usesPictures = (moves || scale < 12) && side <= 128;
  const deadline = performance.now() + (moves ? BUDGET : 1000);
  let isWhole = true, isLive = false;
  seen(left, top, scale, (at, chunk, cx, cy) => {
    const x = (cx - left) * scale, y = (cy - top) * scale;
    const made = usesPictures ? picture(at, chunk, side, deadline) : null;
    if (made) context.drawImage(made, x, y, scale * CHUNK, scale * CHUNK);
    else {
      isWhole &&= !usesPictures;
      for (const tile of chunk.values()) {
        const tx = (tile.x - left) * scale, ty = (tile.y - top) * scale;
        if (tx > -scale && ty > -scale && tx < size.width && ty < size.height) drawTile(context, tile, tx, ty, usesPictures ? Math.min(scale, 11.9) : scale);
      }
    }
    if (scale >= 12) for (const tile of chunk.values()) {
      isLive ||= tile.answering;
      drawMark(tile, (tile.x - left) * scale, (tile.y - top) * scale, scale, now);
    }
  });
  drawCursor(left, top, scale);
  canvas.dataset.frames = String(Number(canvas.dataset.frames ?? 0) + 1);
  if (goal || !isWhole || isLive) draw();
  else if (moves) {
    clearTimeout(restTimer);
    restTimer = setTimeout(draw, REST + 10);
  }
}

function drawCursor(left, top, scale) {
  const outline = (x, y, colour, width) => {
    box(context, (x - left) * scale, (y - top) * scale, scale, scale < 12 ? -1.5 : scale * 0.012, Math.max(1, scale * 0.1));
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  };
  if (hover && (hover.x !== state.cursor.x || hover.y !== state.cursor.y)) outline(hover.x, hover.y, colours.edge, 1.5);
  if (scale >= 30) {
    context.fillStyle = colours.origin;
    context.fillRect((0 - left) * scale - 1.5, (0 - top) * scale - 1.5, 3, 3);
  }
  outline(state.cursor.x, state.cursor.y, colours.accent, scale < 12 ? 1.5 : 2.5);
}

/** Goes a part of the way to where the camera is to be. */
function step(now) {
  if (!goal) return;
  const part = calm.matches ? 1 : 1 - Math.exp(-Math.min(50, now - goal.last) / 60);
  goal.last = now;
  lastMove = now;
  camera.x += (goal.x - camera.x) * part;
  camera.y += (goal.y - camera.y) * part;
  camera.scale *= (goal.scale / camera.scale) ** part;
  const isThere = Math.abs(goal.x - camera.x) * camera.scale < 0.3 && Math.abs(goal.y - camera.y) * camera.scale < 0.3
    && Math.abs(goal.scale / camera.scale - 1) < 0.002;
  if (isThere) {
    Object.assign(camera, { x: goal.x, y: goal.y, scale: goal.scale });
    goal = null;
  }
}

export function draw() {
  if (!frame && !$("view-map").hidden) frame = requestAnimationFrame(paint);
}

function moved() {
  lastMove = performance.now();
  canvas.dataset.scale = camera.scale.toFixed(2);
  canvas.dataset.centre = `${camera.x.toFixed(3)},${camera.y.toFixed(3)}`;
  draw();
}

/** Moves the camera, at once. */
export function panBy(dx, dy) {
  goal = null;
  camera.x = clamp(camera.x - dx / camera.scale);
  camera.y = clamp(camera.y - dy / camera.scale);
  moved();
}

const within = (scale) => Math.max(LEAST, Math.min(MOST, scale));

/** Zooms so that what is under a point stays there. */
export function zoomAt(x, y, factor) {
  goal = null;
  const scale = within(camera.scale * factor);
  const dx = x - size.width / 2, dy = y - size.height / 2;
  camera.x = clamp(camera.x + dx / camera.scale - dx / scale);
  camera.y = clamp(camera.y + dy / camera.scale - dy / scale);
  camera.scale = scale;
  moved();
}

function glide(to) {
  const from = goal ?? camera;
  goal = { x: from.x, y: from.y, scale: from.scale, last: performance.now(), ...to };
  canvas.dataset.scale = goal.scale.toFixed(2);
  draw();
}

/** The part of the map that the chat leaves free. */
function freeWidth() {
  const chat = $("chat");
  return chat.hidden || chat.offsetWidth > size.width * 0.8 ? size.width : size.width - chat.offsetWidth;
}

export function centreCursor() {
  const { scale } = goal ?? camera;
  const shift = (size.width - freeWidth()) / 2 / scale;
  glide({ x: state.cursor.x + 0.5 + shift, y: state.cursor.y + 0.5 });
}

export function fitAll() {
  const tiles = [...state.tiles.values()];
  if (!tiles.length) return glide({ x: 0.5, y: 0.5, scale: USUAL });
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of tiles) {
    x0 = Math.min(x0, x); y0 = Math.min(y0, y); x1 = Math.max(x1, x + 1); y1 = Math.max(y1, y + 1);
  }
  const scale = Math.min(USUAL, within(Math.min(freeWidth() / (x1 - x0 + 1), size.height / (y1 - y0 + 1))));
  const shift = (size.width - freeWidth()) / 2 / scale;
  glide({ x: (x0 + x1) / 2 + shift, y: (y0 + y1) / 2, scale });
}

export const zoomBy = (factor) => glide({ scale: within((goal ?? camera).scale * factor) });

function tileUnder(x, y) {
  return {
    x: Math.floor(camera.x + (x - size.width / 2) / camera.scale),
    y: Math.floor(camera.y + (y - size.height / 2) / camera.scale),
  };
}

function resize() {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = Math.min(3, devicePixelRatio || 1);
  if (!width || !height) return;
  size = { width, height, ratio };
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  draw();
}

/** Pointers that are down: one pans, two pinch. */
const pointers = new Map();
let travelled = 0;

function listen() {
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (pointers.size === 1) travelled = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) {
      hover = event.pointerType === "mouse" ? tileUnder(event.offsetX, event.offsetY) : null;
      draw();
      return;
    }
    const now = { x: event.offsetX, y: event.offsetY };
    travelled += Math.hypot(now.x - last.x, now.y - last.y);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = (a, b) => Math.max(10, Math.hypot(a.x - b.x, a.y - b.y));
      zoomAt((now.x + other.x) / 2, (now.y + other.y) / 2, spread(now, other) / spread(last, other));
      panBy((now.x - last.x) / 2, (now.y - last.y) / 2);
    } else if (travelled > 4) {
      canvas.classList.add("dragged");
      panBy(now.x - last.x, now.y - last.y);
    }
    pointers.set(event.pointerId, now);
  });
  const lift = (event) => {
    const was = pointers.delete(event.pointerId);
    canvas.classList.remove("dragged");
    if (!was || event.type !== "pointerup" || travelled > 4 || pointers.size) return;
    const tile = tileUnder(event.offsetX, event.offsetY);
    const isSame = tile.x === state.cursor.x && tile.y === state.cursor.y;
    moveCursor(tile.x, tile.y);
    if (isSame || tileAt(tile.x, tile.y)) tell("open");
    draw();
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => { hover = null; draw(); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 24 : event.deltaMode === 2 ? size.height : 1;
    if (event.shiftKey) panBy(-(event.deltaX || event.deltaY) * unit, 0);
    else zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)));
  }, { passive: false });
  $("zoom-in").addEventListener("click", () => zoomBy(1.5));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
  $("zoom-fit").addEventListener("click", fitAll);
}

export function startMap() {
  listen();
  new ResizeObserver(resize).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
  on("tiles", () => { index(); draw(); });
  on("tile", (tile) => { forget(tile); draw(); });
  on("models", () => { pictures.clear(); draw(); });
  on("cursor", () => { canvas.dataset.cursor = key(state.cursor.x, state.cursor.y); draw(); });
  on("view", () => { if (state.view === "map") resize(); });
  readColours();
  resize();
  moved();
}

/** What the map shows, in words. */
export const mapSummary = () => plural(state.tiles.size, "tile");
