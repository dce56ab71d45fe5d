// Elements, and texts of strangers. Nothing here or anywhere else in the page makes
// markup of a text: texts become text nodes.

export const $ = (id) => document.getElementById(id);

/** Makes an element. Props are properties; `class`, `data` and `aria` are as in HTML. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "aria") for (const [key, text] of Object.entries(value)) element.setAttribute(`aria-${key}`, text);
    else if (name === "role" || name === "for") element.setAttribute(name, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** A text in which what is not seen, or turns the direction of writing, is seen. */
export function visible(text) {
  return String(text).replace(CONTROL, (c) => {
    const code = c.codePointAt(0);
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `\u2039U+${code.toString(16).toUpperCase().padStart(4, "0")}\u203a`;
  });
}

/** The same for names: also their line ends and tabs are seen. */
export const visibleName = (text) => visible(text).replace(/\n/g, "\u240a").replace(/\t/g, "\u2409");

/** Paragraphs and blocks of code between fences, as elements. */
export function prose(text) {
  const parts = visible(text).split(/^```[^\n]*\n?/m);
  return parts.map((part, index) => {
    const body = part.replace(/^\n+|\n+$/g, "");
    if (!body) return null;
    return index % 2 ? h("pre", { tabIndex: 0 }, h("code", {}, body)) : h("p", {}, body);
  }).filter(Boolean);
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${unit && count < 100 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** The colour of a pixel of the file system; it is shown opaque, and told in words. */
export const rgb = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
