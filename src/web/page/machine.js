// One module in the machine: its text, its end, its frame.

import { ask, sendJson } from "./api.js";
import { $, h, visible } from "./dom.js";
import { modulePaths } from "./files.js";
import { pixelView } from "./picture.js";
import { on, state } from "./state.js";

const end = $("machine-end"), place = $("machine");

async function run() {
  const button = $("machine-run");
  button.disabled = true;
  end.dataset.kind = "busy";
  end.textContent = "Running\u2026";
  try {
    const body = { path: $("machine-path").value.trim(), fuel: Math.max(1, Math.min(2e9, Math.trunc(Number($("machine-fuel").value)) || 1)), llm: $("machine-llm").checked };
    const done = await sendJson("POST", "/api/machine", body);
    end.dataset.kind = done.trap ? "bad" : done.halted ? "good" : "quiet";
    end.textContent = `${visible(done.why)} \u00b7 ${done.steps.toLocaleString("en")} steps in ${(done.seconds * 1000).toFixed(1)} ms`;
    const png = await (await ask("GET", `/api/machine/frames/${done.frame.number}`)).blob();
    const frame = await pixelView(png, "The frame");
    place.replaceChildren(
      h("section", {}, h("h2", {}, "Frame"), frame),
      h("section", {}, h("h2", {}, "Screen"), h("pre", { tabIndex: 0 }, visible(done.screen) || "(nothing was printed)"),
        ...(done.log.length ? [h("h2", {}, "Log"), h("pre", { tabIndex: 0 }, visible(done.log.join("\n")))] : []),
        h("h2", {}, `Registers \u00b7 PXI-${done.isa}`), registers(done.registers)));
  } catch (error) {
    end.dataset.kind = "bad";
    end.textContent = error.message;
  }
  button.disabled = false;
}

const registers = (values) => h("ol", { class: "registers", start: 0 }, ...values.map((value, index) =>
  h("li", {}, h("span", {}, `R${index}`), h("code", {}, (value >>> 0).toString(16).toUpperCase().padStart(8, "0")))));

export function startMachine(go) {
  $("machine-form").addEventListener("submit", (event) => { event.preventDefault(); run(); });
  on("view", async () => {
    if (state.view !== "machine" || $("modules").childElementCount) return;
    try {
      $("modules").replaceChildren(...(await modulePaths()).map((path) => h("option", { value: path })));
    } catch { /* a target without /boot has no list */ }
  });
  on("run", (path) => {
    $("machine-path").value = path;
    // What one program may do is not said of the next.
    $("machine-llm").checked = false;
    go("machine");
    run();
  });
}
