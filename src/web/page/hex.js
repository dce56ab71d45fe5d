// Bytes as people read them.

import { h } from "./dom.js";

const digits = (n, count) => n.toString(16).padStart(count, "0");

/** Lines of 16 bytes: offset, hexadecimal, characters. */
export function hexDump(data, offset) {
  const rows = [];
  for (let at = 0; at < data.length; at += 16) {
    const part = [...data.subarray(at, at + 16)];
    const hex = part.map((byte, index) => (index === 8 ? ` ${digits(byte, 2)}` : digits(byte, 2))).join(" ");
    const text = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "\u00b7")).join("");
    rows.push(`${digits(offset + at, 8)}  ${hex.padEnd(48)}  ${text}`);
  }
  return h("pre", { class: "hex", tabIndex: 0 }, rows.join("\n"));
}

/** The text that bytes are; null if they are none. A character cut at the end is no harm. */
export function asText(data, isPart) {
  if (data.includes(0)) return null;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (let cut = 0; cut <= (isPart ? 3 : 0); cut += 1) {
    try {
      return decoder.decode(data.subarray(0, data.length - cut));
    } catch { /* shorter, or no text */ }
  }
  return null;
}
