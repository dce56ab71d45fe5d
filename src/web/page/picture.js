// Pictures as pixels: seen as they are, and each pixel told in words.

import { ask, getBytes } from "./api.js";
import { h, plural } from "./dom.js";

const MAGIC = [
  ["image/png", [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
  ["image/gif", [0x47, 0x49, 0x46, 0x38]],
  ["image/bmp", [0x42, 0x4d]],
];

/** The type of a picture that a browser shows, by its first bytes; never one with scripts. */
export function pictureType(data) {
  const isWebp = data.length > 12 && String.fromCharCode(...data.subarray(8, 12)) === "WEBP";
  if (isWebp) return "image/webp";
  return MAGIC.find(([, bytes]) => bytes.every((byte, at) => data[at] === byte))?.[0] ?? null;
}

const MOST = 48 << 20;
const PIECE = 1 << 20;

/** All bytes of a file. */
export async function wholeFile(path, size, signal) {
  if (size > MOST) throw new Error("it is too large to be shown");
  const whole = new Uint8Array(size);
  for (let at = 0; at < size; at += PIECE) {
    whole.set(await getBytes(`/api/files/read?path=${path}&offset=${at}&length=${PIECE}`, signal), at);
  }
  return whole;
}

/** The pixels of a PNG as they are in the file: a canvas forgets those that are transparent. */
export async function exactPixels(path, signal) {
  const response = await ask("GET", `/api/files/pixels?path=${path}`, undefined, signal);
  const [width, height] = ["x-width", "x-height"].map((name) => Number(response.headers.get(name)));
  return { width, height, data: new Uint8ClampedArray(await response.arrayBuffer()) };
}

/** A canvas with exact pixels; of a module also those are seen whose last channel is 0. */
function drawExact(canvas, { width, height, data }, isOpaque) {
  const shown = new Uint8ClampedArray(data);
  if (isOpaque) for (let at = 3; at < shown.length; at += 4) shown[at] = 255;
  canvas.getContext("2d").putImageData(new ImageData(shown, width, height), 0, 0);
}

/** A picture with a line that tells the pixel under the pointer. `exact` are its pixels, if they are known. */
export async function pixelView(blob, caption, exact = null, isOpaque = false) {
  const bitmap = exact ? null : await createImageBitmap(blob);
  const { width, height } = exact ?? bitmap;
  const canvas = h("canvas", { class: "pixels", width, height, tabIndex: 0, role: "img", aria: { label: `${caption}, ${width} by ${height} pixels` } });
  let pixelAt;
  if (exact) {
    drawExact(canvas, exact, isOpaque);
    pixelAt = (x, y) => exact.data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4);
  } else {
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    pixelAt = (x, y) => context.getImageData(x, y, 1, 1).data;
  }
  // Small pictures are drawn large, in whole steps.
  const factor = Math.max(1, Math.min(32, Math.floor(512 / Math.max(width, height))));
  canvas.style.width = `${width * factor}px`;
  const about = h("p", { class: "pixel-line" });
  const swatch = h("span", { class: "swatch" });
  const words = h("span", {}, `${width} \u00d7 ${height}, ${plural(width * height, "pixel")}`);
  about.append(swatch, words);
  const tell = (x, y) => {
    const [red, green, blue, alpha] = pixelAt(x, y);
    const id = [red, green, blue, alpha].map((n) => n.toString(16).toUpperCase().padStart(2, "0")).join("");
    swatch.style.background = `rgb(${red} ${green} ${blue})`;
    words.textContent = `${x}, ${y} \u00b7 RGBA ${red}, ${green}, ${blue}, ${alpha} \u00b7 0x${id}`;
    at = { x, y };
  };
  let at = { x: 0, y: 0 };
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor((event.clientX - box.left) / box.width * width), y = Math.floor((event.clientY - box.top) / box.height * height);
    if (x >= 0 && y >= 0 && x < width && y < height) tell(x, y);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    tell(Math.max(0, Math.min(width - 1, at.x + step[0])), Math.max(0, Math.min(height - 1, at.y + step[1])));
  });
  return h("figure", { class: "picture" }, h("div", { class: "frame" }, canvas), about);
}
