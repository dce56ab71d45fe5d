// The boot log, as it is written.

import { ask, lines } from "./api.js";
import { $, h, visible, visibleName } from "./dom.js";

const log = $("boot-log"), end = $("boot-end");

function line(entry) {
  const stage = entry.name ? `${entry.stage ?? ""} ${entry.name}`.trim() : "";
  return h("li", { data: { level: entry.level } },
    h("time", {}, (entry.time ?? "").slice(11, 23)),
    h("span", { class: "level" }, entry.level),
    h("span", { class: "stage" }, h("bdi", {}, visibleName(stage))),
    h("bdi", { class: "what" }, visible(entry.message ?? "")),
    h("span", { class: "took" }, entry.ms !== undefined ? `${entry.ms.toFixed(1)} ms` : ""));
}

async function run(dryRun) {
  const buttons = [$("boot-dry"), $("boot-run")];
  buttons.forEach((button) => { button.disabled = true; });
  log.replaceChildren();
  end.dataset.kind = "busy";
  end.textContent = dryRun ? "Checking\u2026" : "Booting\u2026";
  try {
    for await (const part of lines(await ask("POST", "/api/boot", { dry_run: dryRun, llm: $("boot-llm").checked }))) {
      if (part.type === "line") {
        const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
        log.append(line(part.entry));
        if (atEnd) log.scrollTop = log.scrollHeight;
      } else {
        end.dataset.kind = part.complete ? "good" : "bad";
        end.textContent = part.complete ? (dryRun ? "Nothing is wrong" : "Boot complete") : visible(part.error ?? "Boot failed");
      }
    }
  } catch (error) {
    end.dataset.kind = "bad";
    end.textContent = error.message;
  }
  buttons.forEach((button) => { button.disabled = false; });
}

export function startBoot() {
  $("boot-dry").addEventListener("click", () => run(true));
  $("boot-run").addEventListener("click", () => run(false));
}
