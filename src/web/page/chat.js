// The chat of the chosen tile. The server holds the conversation; an answer goes on when
// this window closes, and another window may watch it.

import { ApiError, ask, getJson, lines, sendJson } from "./api.js";
import { centreCursor } from "./canvas.js";
import { $, h, plural, prose, rgb, visible, visibleName } from "./dom.js";
import { key, modelOf, on, state, tell } from "./state.js";

const panel = $("chat"), list = $("messages"), question = $("question");
/** The tile that is shown, whole; null while it is fetched. */
let tile = null;
/** The answer that is being watched. */
let watching = null;
/** Texts that were not sent yet, by tile. */
const drafts = new Map();

const here = () => key(state.cursor.x, state.cursor.y);
const isOpen = () => !panel.hidden;

export function openChat() {
  if (!isOpen()) {
    panel.hidden = false;
    tell("chat");
    centreCursor();
  }
  load();
  if (!question.disabled) question.focus({ preventScroll: true });
}

export function closeChat() {
  if (!isOpen()) return false;
  drafts.set(here(), question.value);
  panel.hidden = true;
  tell("chat");
  stopWatching();
  centreCursor();
  $("map").focus({ preventScroll: true });
  return true;
}

export const chatIsOpen = isOpen;

function stopWatching() {
  watching?.abort();
  watching = null;
}

function note(text, kind = "error", action = null) {
  const notice = $("chat-notice");
  notice.hidden = !text;
  notice.dataset.kind = kind;
  notice.replaceChildren(...(text ? [h("span", {}, visible(text))] : []), ...(action ? [action] : []));
}

const retryButton = () => h("button", { type: "button", onclick: () => send(null) }, "Retry");

/** Reads the tile anew. */
async function load() {
  const at = here();
  if (tile && key(tile.x, tile.y) !== at) {
    drafts.set(key(tile.x, tile.y), question.value);
    tile = null;
  }
  if (!tile) {
    stopWatching();
    question.value = drafts.get(at) ?? "";
    grow();
    list.replaceChildren(h("li", { class: "hint" }, "Reading\u2026"));
    note("");
  }
  head();
  try {
    const found = await getJson(`/api/tiles/${at}`);
    if (at === here() && isOpen()) show(found);
  } catch (error) {
    if (at === here()) list.replaceChildren(h("li", { class: "hint" }, `The tile cannot be read: ${error.message}`));
  }
}

function head() {
  const { x, y } = state.cursor;
  const at = here();
  $("chat-place").textContent = `Tile ${x}, ${y}`;
  const found = tile && key(tile.x, tile.y) === at ? tile : null;
  const count = found?.messages.length ?? 0;
  $("chat-about").textContent = found ? (count ? plural(count, "message") : "A new conversation") : "";
  const chosen = $("chat-model");
  const fallback = modelOf(null);
  chosen.replaceChildren(
    h("option", { value: "" }, fallback ? `Default (${visibleName(fallback.name)})` : "Default (none)"),
    ...state.models.map((model, index) => h("option", { value: String(model.id) }, `${index < 9 ? `${index + 1}  ` : ""}${visibleName(model.name)}`)),
  );
  const id = found?.model ?? null;
  if (id !== null && !state.models.some((model) => model.id === id)) {
    chosen.append(h("option", { value: String(id) }, `0x${id.toString(16).toUpperCase().padStart(8, "0")} (missing)`));
  }
  chosen.value = id === null ? "" : String(id);
  const readOnly = state.hello?.read_only;
  chosen.disabled = Boolean(readOnly) || !found;
  const model = modelOf(id);
  $("chat-swatch").style.background = model ? rgb(model.rgba) : "transparent";
  const isBusy = Boolean(found?.answering);
  question.disabled = Boolean(readOnly);
  question.placeholder = readOnly ? "This target is read-only" : "Ask something";
  $("send").hidden = isBusy;
  $("send").disabled = Boolean(readOnly) || !question.value.trim();
  $("stop").hidden = !isBusy;
}

const ROLES = { user: "You", assistant: "Model" };

function message(role, content) {
  return h("li", { class: "message", data: { role } },
    h("span", { class: "who" }, ROLES[role] ?? visibleName(role)),
    h("div", { class: "text" }, ...prose(content)));
}

function show(found) {
  const isSame = tile && tile.x === found.x && tile.y === found.y;
  const atEnd = !isSame || isAtEnd();
  tile = found;
  const items = found.messages.map(({ role, content }) => message(role, content));
  if (!items.length) items.push(empty());
  list.replaceChildren(...items);
  if (found.answering) watch();
  else if (found.open !== null && !$("chat-notice").textContent) {
    note("The last question has no answer.", "quiet", state.hello?.read_only ? null : retryButton());
  }
  head();
  if (atEnd) toEnd();
}

function empty() {
  if (state.modelNote) return h("li", { class: "hint" }, h("b", {}, "No model to talk to. "), visible(state.modelNote));
  return h("li", { class: "hint" }, "Each tile is a conversation of its own. What is said here is in the map at once.");
}

const isAtEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 60;
const toEnd = () => { list.scrollTop = list.scrollHeight; };

/** The element that an answer grows in. */
function growing() {
  const body = h("p", {}, "");
  const item = h("li", { class: "message coming", data: { role: "assistant" } },
    h("span", { class: "who" }, "Model"), h("div", { class: "text" }, body));
  list.append(item);
  return { item, body, text: "" };
}

/** Shows the lines of an answer as they come. */
async function follow(response, at, controller) {
  let coming = null;
  for await (const line of lines(response)) {
    if (at !== here() || controller.signal.aborted) return;
    if (line.type === "asked") {
      show({ ...line.tile, answering: false, open: null });
      tile.answering = true;
      head();
      coming = growing();
      toEnd();
    } else if (line.type === "text") {
      const atEnd = isAtEnd();
      coming ??= growing();
      coming.text += line.text;
      coming.body.textContent = visible(coming.text);
      if (atEnd) toEnd();
    } else {
      end(line, coming);
    }
  }
}

function end(line, coming) {
  watching = null;
  note("");
  if (line.type === "done") {
    show(line.tile);
    const speed = line.answer_tokens && line.seconds ? ` \u00b7 ${(line.answer_tokens / line.seconds).toFixed(1)} tokens/s` : "";
    $("chat-about").textContent = `${visibleName(line.model)} \u00b7 ${line.seconds.toFixed(1)} s${speed}${line.finish === "length" ? " \u00b7 cut at its limit" : ""}`;
    $("chat-said").textContent = visible(line.tile.messages.at(-1)?.content ?? "").slice(0, 300);
    return;
  }
  const partial = coming?.text ?? "";
  note(line.cancelled ? "Stopped. What had come is not kept." : line.error, line.cancelled ? "quiet" : "error", retryButton());
  show(line.tile);
  if (partial) {
    const item = message("assistant", partial);
    item.classList.add("lost");
    list.append(item);
    toEnd();
  }
}

/** Watches an answer that another window asked for, or this one before a reload. */
async function watch() {
  if (watching) return;
  const controller = watching = new AbortController();
  const at = here();
  try {
    await follow(await ask("GET", `/api/tiles/${at}/answer`, undefined, controller.signal), at, controller);
  } catch (error) {
    if (controller.signal.aborted) return;
    if (error instanceof ApiError && error.status === 404) setTimeout(() => { if (at === here() && isOpen()) load(); }, 150);
    else note(`The connection broke: ${error.message}`, "error");
  } finally {
    if (watching === controller) watching = null;
  }
}

/** Asks; without a text the last question again. */
async function send(text) {
  if (!tile || tile.answering || watching) return;
  const controller = watching = new AbortController();
  const at = here();
  note("");
  tile.answering = true;
  head();
  try {
    const response = await ask("POST", `/api/tiles/${at}/messages`, { text: text ?? undefined, revision: tile.revision }, controller.signal);
    if (text !== null && at === here()) {
      question.value = "";
      drafts.delete(at);
      grow();
    }
    await follow(response, at, controller);
  } catch (error) {
    if (controller.signal.aborted || at !== here()) return;
    watching = null;
    tile.answering = false;
    const isConflict = error instanceof ApiError && error.status === 409;
    if (isConflict && error.body.tile) {
      note(error.body.busy ? "This tile is being answered. Your text is kept." : "This tile was changed in another window. Your text is kept: look, then send it again.", "quiet");
      show(error.body.tile);
    } else {
      note(error instanceof ApiError ? error.message : `Not sent: ${error.message}`, "error");
    }
    head();
  } finally {
    if (watching === controller) watching = null;
  }
}

/** Gives the tile another model. */
export async function chooseModel(id) {
  if (state.hello?.read_only) return;
  const at = here();
  try {
    const base = tile && key(tile.x, tile.y) === at ? tile : await getJson(`/api/tiles/${at}`);
    const found = await sendJson("PUT", `/api/tiles/${at}/model`, { model: id, revision: base.revision });
    if (at !== here()) return;
    if (isOpen()) { note(""); show(found); }
    tell("chosen", modelOf(id));
  } catch (error) {
    if (at !== here()) return;
    if (error.body?.tile && isOpen()) show(error.body.tile);
    if (isOpen()) note(error.message, "error");
    else tell("trouble", error.message);
  }
}

function grow() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight + 2, 180)}px`;
}

export function startChat() {
  $("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    if (question.value.trim()) send(question.value);
  });
  question.addEventListener("input", () => { grow(); head(); });
  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("compose").requestSubmit();
    }
  });
  $("stop").addEventListener("click", () => sendJson("POST", `/api/tiles/${here()}/cancel`, {}).catch((error) => note(error.message)));
  $("chat-close").addEventListener("click", closeChat);
  $("chat-model").addEventListener("change", (event) => chooseModel(event.target.value === "" ? null : Number(event.target.value)));
  on("cursor", () => { if (isOpen()) { stopWatching(); load(); } });
  on("models", () => { if (isOpen()) { head(); if (tile && !tile.messages.length) list.replaceChildren(empty()); } });
  // Another window, or another program, changed the tile that is shown.
  on("tile", (changed) => {
    if (!isOpen() || !tile || changed.x !== tile.x || changed.y !== tile.y || watching) return;
    if (changed.revision !== tile.revision || changed.answering !== tile.answering) load();
  });
  on("tiles", () => { if (isOpen() && !watching) load(); });
}
