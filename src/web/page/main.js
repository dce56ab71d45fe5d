// Puts the page together: views, keys, what happens elsewhere.

import { ApiError, ask, getJson, lines, takeToken } from "./api.js";
import { startBoot } from "./boot.js";
import { centreCursor, fitAll, startMap, zoomBy } from "./canvas.js";
import { chatIsOpen, chooseModel, closeChat, openChat, startChat } from "./chat.js";
import { $, visible, visibleName } from "./dom.js";
import { startFiles } from "./files.js";
import { startMachine } from "./machine.js";
import { key, modelOf, moveCursor, on, state, tell, tileAt } from "./state.js";

const VIEWS = ["map", "files", "boot", "machine"];

function go(view) {
  state.view = view;
  for (const name of VIEWS) $(`view-${name}`).hidden = name !== view;
  for (const button of document.querySelectorAll("[data-view]")) {
    if (button.dataset.view === view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  tell("view", view);
  if (view === "map") $("map").focus({ preventScroll: true });
}

let linked = false;

function link(kind, text) {
  $("link").dataset.kind = kind;
  $("link-text").textContent = text;
}

function lock(error) {
  if (error) $("locked-why").textContent = `${error.message}.`;
  $("locked").showModal();
  link("bad", "locked");
}

async function readMap() {
  const found = await getJson("/api/map");
  state.tiles = new Map(found.tiles.map((tile) => [key(tile.x, tile.y), tile]));
  tell("tiles");
  if (found.findings.length) {
    const names = found.findings.slice(0, 3).map(({ key: name, why }) => `${visibleName(name)} ${visible(why)}`).join("; ");
    tell("trouble", `Set aside, not lost: ${names}${found.findings.length > 3 ? ` and ${found.findings.length - 3} more` : ""}`);
  }
}

async function readModels() {
  const found = await getJson("/api/models");
  state.models = found.models;
  state.defaultModel = found.default;
  state.modelNote = found.note;
  tell("models");
}

/** What happens in other windows and programs; for ever, also after a break. */
async function listen() {
  for (let wait = 250; ; wait = Math.min(5000, wait * 2)) {
    try {
      const response = await ask("GET", "/api/events");
      await Promise.all([readMap(), readModels()]);
      // Not before: a key that chooses a model would be for nothing.
      link("good", "connected");
      linked = true;
      showPlace();
      wait = 250;
      for await (const event of lines(response)) {
        if (event.type === "map") await readMap();
        else if (event.type === "tile") {
          const at = key(event.x, event.y);
          state.tiles.set(at, event);
          tell("tile", event);
        }
      }
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return lock(error);
    }
    link("bad", linked ? "the shell is gone" : "not reached");
    await new Promise((done) => setTimeout(done, wait));
  }
}

function showPlace() {
  const { x, y } = state.cursor;
  $("place").textContent = `${x}, ${y}`;
  const model = modelOf(tileAt(x, y)?.model ?? null);
  $("place-model").textContent = model ? visibleName(model.name) : "no model";
  $("map-empty").hidden = state.tiles.size > 0 || chatIsOpen() || !linked;
}

/** Which tile a window shows is kept for its reload. */
function remember() {
  sessionStorage.setItem("pxfs-place", JSON.stringify({ ...state.cursor, chat: chatIsOpen(), view: state.view }));
}

function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem("pxfs-place") ?? "null");
    if (!kept || !Number.isInteger(kept.x) || !Number.isInteger(kept.y)) return null;
    return kept;
  } catch {
    return null;
  }
}

const STEPS = {
  ArrowLeft: [-1, 0], a: [-1, 0], A: [-1, 0], ArrowRight: [1, 0], d: [1, 0], D: [1, 0],
  ArrowUp: [0, -1], w: [0, -1], W: [0, -1], ArrowDown: [0, 1], s: [0, 1], S: [0, 1],
};

function mapKeys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  if (step) {
    const far = event.shiftKey ? 10 : 1;
    moveCursor(state.cursor.x + step[0] * far, state.cursor.y + step[1] * far);
    centreCursor();
  } else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) {
    openChat();
  } else if (/^[1-9]$/.test(event.key)) {
    const model = state.models[Number(event.key) - 1];
    if (!model) return;
    chooseModel(model.id);
  } else if (event.key === "0") chooseModel(null);
  else if (event.key === "+" || event.key === "=") zoomBy(1.4);
  else if (event.key === "-") zoomBy(1 / 1.4);
  else if (event.key === "f" || event.key === "F") fitAll();
  else if (event.key === "Home") { moveCursor(0, 0); centreCursor(); }
  else return;
  event.preventDefault();
}

let troubleTimer = 0;

function trouble(text) {
  const place = $("place-model");
  place.textContent = text;
  place.dataset.kind = "bad";
  clearTimeout(troubleTimer);
  troubleTimer = setTimeout(() => { delete place.dataset.kind; showPlace(); }, 8000);
}

function start() {
  startMap();
  startChat();
  startFiles();
  startBoot();
  startMachine(go);
  $("map").addEventListener("keydown", mapKeys);
  $("question").addEventListener("keydown", (event) => {
    if (event.key !== "Tab" || event.shiftKey) return;
    event.preventDefault();
    $("map").focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.view === "map" && closeChat()) event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => go(button.dataset.view));
  on("open", openChat);
  on("trouble", trouble);
  for (const event of ["cursor", "tiles", "tile", "models", "chosen", "chat"]) on(event, showPlace);
  addEventListener("pagehide", remember);
}

async function main() {
  if (!takeToken()) return lock(null);
  try {
    state.hello = await getJson("/api/hello");
  } catch (error) {
    return error instanceof ApiError && error.status === 401 ? lock(error) : link("bad", error.message);
  }
  const name = state.hello.target.split("/").pop() || state.hello.target;
  document.title = `${visibleName(name)} \u00b7 pxfs`;
  $("target").textContent = visibleName(name);
  $("target").title = visibleName(state.hello.target);
  if (state.hello.read_only) {
    $("read-only").hidden = false;
    $("read-only").title = visible(state.hello.read_only);
  }
  for (const box of [$("boot-llm"), $("machine-llm")]) {
    box.disabled = !state.hello.recorded;
    box.parentElement.title = state.hello.recorded ? "Each question is a line of the audit log" : "Start the shell with --audit FILE, which records each question";
  }
  start();
  const kept = recall();
  if (kept) moveCursor(kept.x, kept.y);
  centreCursor();
  showPlace();
  go(VIEWS.includes(kept?.view) ? kept.view : "map");
  if (kept?.chat && state.view === "map") openChat();
  listen();
}

main();
