// What the tests of the page share: a shell that runs, a model server, a browser.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PXFS = process.env.PXFS ?? "pxfs";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A server of chat completions that streams what it makes of the last question. */
export async function modelServer() {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    if (request.method !== "POST") return response.end(JSON.stringify({ object: "list", data: [{ id: "echo" }] }));
    const { messages } = JSON.parse(body);
    const asked = messages.at(-1).content;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const say = (content) => response.write(`data: ${JSON.stringify({ model: "echo-1", choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`);
    const answer = asked === "hostile"
      ? "<img src=x onerror=\"window.owned=1\"><script>window.owned=2</script> \u202etxt \u001b[2J done"
      : `I heard ${asked} and know ${messages.length} messages. `.repeat(asked.startsWith("long") ? 40 : 1);
    for (const word of answer.trim().split(/(?<= )/)) {
      if (response.destroyed) return;
      say(word);
      await sleep(asked.startsWith("slow") || asked.startsWith("long") ? 40 : 2);
    }
    response.write(`data: ${JSON.stringify({ model: "echo-1", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })}\n\n`);
    response.end("data: [DONE]\n\n");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const endpoint = `http://127.0.0.1:${server.address().port}/v1/chat/completions`;
  return { endpoint, close: () => { server.closeAllConnections(); server.close(); } };
}

/** A directory with cartridges, and a state of the map if one is given. */
export function makeTarget(endpoint, state = null) {
  const dir = mkdtempSync(join(tmpdir(), "pxfs-web-"));
  const entry = (id, name) => ({
    name, description: `LLM cartridge: ${name}`, backend: "custom", endpoint, model_name: name.toLowerCase(),
    max_tokens: 512, temperature: 0.7, system_prompt: null, pixel: [id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255],
    id: `0x${id.toString(16).toUpperCase().padStart(8, "0")}`, file: `llm_${name.toLowerCase()}.pxdigest.png`,
  });
  // An object of JavaScript would have its numbers sorted, and the first is the default.
  const ids = { Echo: 0x41e2939a, Second: 0xd05c7cff, Third: 0x2fb58aff };
  mkdirSync(join(dir, "models"), { recursive: true });
  writeFileSync(join(dir, "models/llm_pixel_registry.json"), `{${Object.entries(ids).map(([name, id]) => `"${id}": ${JSON.stringify(entry(id, name))}`).join(",\n")}}`);
  if (state) {
    mkdirSync(join(dir, "worlds/map"), { recursive: true });
    writeFileSync(join(dir, "worlds/map/infinite_map_state.json"), JSON.stringify(state));
  }
  return { dir, ids, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Runs `pxfs shell --web` until `stop`. */
export async function startShell(target, ...more) {
  const child = spawn(PXFS, ["shell", "--web", target, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = new Promise((done) => child.once("exit", done));
  const url = await Promise.race([
    new Promise((done) => createInterface(child.stdout).once("line", done)),
    gone.then((status) => { throw new Error(`pxfs shell ended with status ${status}`); }),
  ]);
  const stop = async (signal = "SIGTERM") => { child.kill(signal); return gone; };
  return { url, stop };
}

let browser = null;

export async function openBrowser() {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = null;
}

/** A window with the page in it. All that it asks of others, and all that goes wrong, is noted. */
export async function openPage(url, options = {}) {
  const context = await (await openBrowser()).newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const seen = { foreign: [], errors: [], dialogs: 0 };
  const own = new URL(url).origin;
  page.on("request", (request) => { if (!request.url().startsWith(own) && !request.url().startsWith("blob:")) seen.foreign.push(request.url()); });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error" && !/status of (409|404|400|403)/.test(message.text())) seen.errors.push(message.text()); });
  page.on("dialog", (dialog) => { seen.dialogs += 1; dialog.dismiss(); });
  await page.goto(url);
  if (!options.locked) await page.waitForSelector("#link[data-kind=good]");
  return { page, seen, close: () => context.close() };
}

/** 10,000 tiles in a square, with conversations. */
export function largeState(side = 100) {
  const tiles = {};
  const words = "pixel boot tree map blob frame stage module oracle guardian world shell block digest".split(" ");
  for (let y = 0; y < side; y += 1) for (let x = 0; x < side; x += 1) {
    const at = (x * 7 + y * 13) % words.length;
    tiles[`${x - side / 2},${y - side / 2}`] = {
      model_id: [null, 0x41e2939a, 0xd05c7cff, 0x2fb58aff][(x ^ y) & 3],
      history: [
        { role: "user", content: `What does the ${words[at]} at ${x}, ${y} hold, and who made it?` },
        { role: "assistant", content: `The ${words[at]} holds ${x * y} pixels. It was made when the ${words[(at + 3) % words.length]} was booted, and has been there since.` },
      ],
    };
  }
  return { tiles };
}
