// The files: a tree that is read as it is opened, and what is known of one file.

import { getBytes, getJson } from "./api.js";
import { $, bytes, h, plural, rgb, visible, visibleName } from "./dom.js";
import { asText, hexDump } from "./hex.js";
import { exactPixels, pictureType, pixelView, wholeFile } from "./picture.js";
import { on, state, tell } from "./state.js";

const tree = $("tree"), pane = $("file");
let reading = null;

const ICONS = { directory: "\u25b8", symlink: "\u2192", char_device: "\u25c7", block_device: "\u25c7", fifo: "\u25c7", socket: "\u25c7" };

const swatch = (entry) => {
  const mark = h("span", { class: entry.rgba ? "swatch" : "kind", aria: { hidden: "true" } }, entry.rgba ? "" : (ICONS[entry.kind] ?? ""));
  if (entry.rgba) mark.style.background = rgb(entry.rgba);
  return mark;
};

/** One row of the tree, with room for what is in it. */
function row(entry, path, depth) {
  const isDir = entry.kind === "directory";
  const line = h("div", { class: "row", role: "treeitem", tabIndex: -1, aria: { level: String(depth + 1), selected: "false" }, data: { path } },
    swatch(entry), h("bdi", { class: "name" }, visibleName(entry.name)),
    h("span", { class: "size" }, isDir ? "" : entry.kind === "file" ? bytes(entry.size ?? 0) : entry.kind));
  line.style.paddingInlineStart = `${12 + depth * 16}px`;
  const inside = isDir ? h("div", { role: "group", hidden: true }) : null;
  if (isDir) line.setAttribute("aria-expanded", "false");
  line.addEventListener("click", () => {
    focusRow(line);
    if (isDir) toggle(line, inside, path, depth);
    show(entry, path);
  });
  line.open = () => isDir && inside.hidden && toggle(line, inside, path, depth);
  line.close = () => isDir && !inside.hidden && toggle(line, inside, path, depth);
  return inside ? [line, inside] : [line];
}

async function toggle(line, inside, path, depth) {
  inside.hidden = !inside.hidden;
  line.setAttribute("aria-expanded", String(!inside.hidden));
  if (!inside.hidden && !inside.childElementCount) await fill(inside, path, depth + 1, 0);
}

/** Reads entries of a directory; more of them when asked. */
async function fill(inside, path, depth, from) {
  const wait = h("p", { class: "hint" }, "Reading\u2026");
  wait.style.paddingInlineStart = `${12 + depth * 16}px`;
  inside.append(wait);
  try {
    const { entries, next } = await getJson(`/api/files/list?path=${path || "%2F"}&from=${from}`);
    wait.remove();
    entries.sort((a, b) => (b.kind === "directory") - (a.kind === "directory"));
    for (const entry of entries) inside.append(...row(entry, `${path}%2F${entry.path}`, depth));
    if (!entries.length && !from) inside.append(h("p", { class: "hint" }, "Empty"));
    if (next !== null) {
      const more = h("button", { type: "button", class: "more", onclick: () => { more.remove(); fill(inside, path, depth, next); } }, "More");
      inside.append(more);
    }
  } catch (error) {
    wait.textContent = `Cannot be read: ${error.message}`;
    wait.classList.add("bad");
  }
}

function focusRow(line) {
  for (const old of tree.querySelectorAll("[aria-selected=true]")) { old.setAttribute("aria-selected", "false"); old.tabIndex = -1; }
  line.setAttribute("aria-selected", "true");
  line.tabIndex = 0;
  tree.tabIndex = -1;
  line.focus();
}

function keys(event) {
  const rows = [...tree.querySelectorAll(".row")].filter((line) => line.offsetParent);
  const at = rows.indexOf(document.activeElement);
  const line = rows[at];
  const go = (index) => rows[Math.max(0, Math.min(rows.length - 1, index))] && focusRow(rows[Math.max(0, Math.min(rows.length - 1, index))]);
  switch (event.key) {
    case "ArrowDown": go(at + 1); break;
    case "ArrowUp": go(at - 1); break;
    case "Home": go(0); break;
    case "End": go(rows.length - 1); break;
    case "ArrowRight": line?.open(); break;
    case "ArrowLeft": line?.close(); break;
    case "Enter": case " ": line?.click(); break;
    default: return;
  }
  event.preventDefault();
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

async function show(entry, path) {
  reading?.abort();
  const { signal } = (reading = new AbortController());
  const title = decodeName(path);
  pane.replaceChildren(h("p", { class: "hint" }, "Reading\u2026"));
  document.querySelector(".split").dataset.shows = entry.kind === "directory" ? "tree" : "file";
  try {
    const stat = await getJson(`/api/files/stat?path=${path}`, signal);
    if (signal.aborted) return;
    const body = h("div", { class: "content" });
    const back = h("button", { type: "button", class: "back", onclick: () => { document.querySelector(".split").dataset.shows = "tree"; } }, "\u2190 Files");
    pane.replaceChildren(back, h("h2", {}, h("bdi", {}, visibleName(title))), identity(stat), body, about(stat));
    if (stat.kind === "file") await content(stat, path, title, body, signal);
    else if (stat.kind === "symlink") body.append(h("p", {}, "leads to ", h("code", {}, visibleName(stat.target))));
  } catch (error) {
    if (!signal.aborted) pane.replaceChildren(h("p", { class: "hint bad" }, `Cannot be read: ${error.message}`));
  }
}

/** A path of percent-encoded bytes, for people. */
function decodeName(path) {
  const data = path.replace(/%([0-9A-F]{2})|(.)/g, (whole, hex, char) => String.fromCharCode(hex ? parseInt(hex, 16) : char.charCodeAt(0)));
  return new TextDecoder().decode(Uint8Array.from(data, (c) => c.charCodeAt(0)));
}

/** The pixel that a file is. */
function identity(stat) {
  if (!stat.rgba) return h("p", { class: "identity" }, stat.kind);
  const mark = h("span", { class: "swatch large" });
  mark.style.background = rgb(stat.rgba);
  return h("p", { class: "identity" }, mark, h("code", {}, stat.id), h("span", {}, `RGBA ${stat.rgba.join(", ")}`), h("span", { class: "badge" }, stat.type), h("span", {}, bytes(stat.size)));
}

function about(stat) {
  const list = h("dl", { class: "facts" },
    ...fact("Size", `${stat.size.toLocaleString("en")} bytes`), ...fact("Mode", stat.mode),
    ...fact("Owner", `${stat.uid}:${stat.gid}`), ...fact("Changed", new Date(stat.mtime * 1000).toISOString().replace(/\.000Z/, "Z")));
  if (stat.sha256) list.append(...fact("SHA-256", h("code", {}, stat.sha256)));
  const names = Object.entries(stat.xattrs ?? {});
  const table = names.length ? h("table", {}, h("caption", {}, "Extended attributes"), h("tbody", {}, ...names.map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, h("bdi", {}, visibleName(name))), h("td", {}, h("bdi", {}, value.text !== undefined ? visible(value.text) : value.hex !== undefined ? `hex ${value.hex}` : visible(value.error))))))) : null;
  return h("div", {}, list, ...(table ? [table] : []));
}

const FIRST = 64 << 10;

/** The content, as text, in hexadecimal, or as a picture. */
async function content(stat, path, title, body, signal) {
  const data = stat.size ? await getBytes(`/api/files/read?path=${path}&offset=0&length=${FIRST}`, signal) : new Uint8Array();
  if (signal.aborted) return;
  const isPart = data.length < stat.size;
  const type = pictureType(data), text = asText(data, isPart);
  const views = new Map();
  if (type) views.set("Picture", async () => {
    // What is no 8-bit RGBA has no colours that a canvas would forget.
    const exact = type === "image/png" ? await exactPixels(path, signal).catch(() => null) : null;
    const blob = exact ? null : new Blob([await wholeFile(path, stat.size, signal)], { type });
    return pixelView(blob, title, exact, stat.type === "pxi_module");
  });
  if (text !== null) views.set("Text", async () => h("pre", { class: "source", tabIndex: 0 }, visible(text) || "(empty)"));
  if (stat.size || text === null) views.set("Hex", async () => hexDump(data, 0));
  const place = h("div", { class: "shown" });
  const pick = async (name) => {
    for (const tab of tabs.children) tab.setAttribute("aria-pressed", String(tab.textContent === name));
    place.replaceChildren(h("p", { class: "hint" }, "Reading\u2026"));
    try {
      const element = await views.get(name)();
      if (!signal.aborted) place.replaceChildren(element);
    } catch (error) {
      place.replaceChildren(h("p", { class: "hint bad" }, `Cannot be shown: ${error.message}`));
    }
    if (isPart && name !== "Picture") place.append(h("p", { class: "hint" }, `The first ${bytes(data.length)} of ${bytes(stat.size)}.`));
  };
  const tabs = h("div", { class: "tabs", role: "group", aria: { label: "How it is shown" } }, ...[...views.keys()].map((name) => h("button", { type: "button", onclick: () => pick(name) }, name)));
  if (type === "image/png" && stat.type === "pxi_module") {
    tabs.append(h("button", { type: "button", class: "run", onclick: () => tell("run", title) }, "Run in the machine"));
  }
  body.append(tabs, place);
  await pick([...views.keys()][0]);
}

export function startFiles() {
  tree.addEventListener("keydown", keys);
  tree.addEventListener("focus", () => { const first = tree.querySelector(".row"); if (first && document.activeElement === tree) focusRow(first); });
  on("view", () => { if (state.view === "files" && !tree.childElementCount) fill(tree, "", 0, 0); });
}

/** Paths of modules for the machine's list. */
export async function modulePaths() {
  const { entries } = await getJson("/api/files/list?path=%2Fboot&from=0");
  return entries.filter((entry) => entry.kind === "file").map((entry) => `/boot/${entry.name}`);
}

export const filesSummary = (count) => plural(count, "file");
