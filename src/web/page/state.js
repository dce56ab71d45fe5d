// What the parts of the page share: tiles, models, the chosen tile; and who is told of
// changes.

export const state = {
  hello: null,
  models: [],
  defaultModel: null,
  modelNote: null,
  /** Tiles in short, by "x,y". */
  tiles: new Map(),
  cursor: { x: 0, y: 0 },
  view: "map",
};

const listeners = new Map();

export function on(event, listener) {
  if (!listeners.has(event)) listeners.set(event, new Set());
  listeners.get(event).add(listener);
}

export function tell(event, detail) {
  for (const listener of listeners.get(event) ?? []) listener(detail);
}

export const key = (x, y) => `${x},${y}`;
export const tileAt = (x, y) => state.tiles.get(key(x, y));

/** The coordinates of tiles are 32-bit numbers. */
export const clamp = (n) => Math.max(-2147483648, Math.min(2147483647, n));

export function moveCursor(x, y) {
  const next = { x: clamp(x), y: clamp(y) };
  if (next.x === state.cursor.x && next.y === state.cursor.y) return;
  state.cursor = next;
  tell("cursor", next);
}

/** The model of a tile: its own, or the default one; none if there is no such. */
export function modelOf(id) {
  const wanted = id ?? state.defaultModel;
  return state.models.find((model) => model.id === wanted) ?? null;
}
