// The page in a real browser: what a person does, and what must never happen.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { closeBrowser, makeTarget, modelServer, openPage, startShell } from "./support.mjs";

let server, target, shell;

before(async () => {
  server = await modelServer();
  target = makeTarget(server.endpoint);
  writeFileSync(join(target.dir, "<img src=x onerror=window.owned=3>.txt"), "<script>window.owned=4</script>\n");
  writeFileSync(join(target.dir, "turned\u202egnp.exe"), "x");
  shell = await startShell(target.dir);
});

after(async () => {
  await closeBrowser();
  await shell?.stop();
  server?.close();
  target?.remove();
});

const data = (page, name) => page.$eval("#map", (map, key) => map.dataset[key], name);
const texts = (page) => page.$$eval(".message .text", (all) => all.map((element) => element.textContent));

async function openTile(page, x, y) {
  await page.focus("#map");
  await page.keyboard.press("Home");
  for (let n = 0; n < Math.abs(x); n += 1) await page.keyboard.press(x > 0 ? "ArrowRight" : "ArrowLeft");
  for (let n = 0; n < Math.abs(y); n += 1) await page.keyboard.press(y > 0 ? "ArrowDown" : "ArrowUp");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#chat:not([hidden])");
  await page.waitForFunction((at) => document.getElementById("chat-place").textContent === at, `Tile ${x}, ${y}`);
  await page.waitForFunction(() => !document.getElementById("chat-model").disabled);
}

async function say(page, text) {
  await page.fill("#question", text);
  await page.keyboard.press("Enter");
}

function assertClean(seen) {
  assert.deepEqual(seen.foreign, [], "a request left this machine");
  assert.deepEqual(seen.errors, []);
  assert.equal(seen.dialogs, 0);
}

test("the map pans and zooms", async () => {
  const { page, seen, close } = await openPage(shell.url);
  assert.ok(!page.url().includes("token"), "the token stays in the address");
  await page.waitForTimeout(400);
  const before = (await data(page, "centre") ?? "0,0").split(",").map(Number);
  const scale = Number(await data(page, "scale"));
  await page.mouse.move(640, 400);
  await page.mouse.down();
  await page.mouse.move(440, 300, { steps: 8 });
  await page.mouse.up();
  const moved = (await data(page, "centre")).split(",").map(Number);
  assert.ok(moved[0] > before[0] + 0.5 && moved[1] > before[1] + 0.3, `${before} ${moved}`);
  await page.mouse.wheel(0, -400);
  await page.waitForFunction((old) => Number(document.getElementById("map").dataset.scale) > old * 1.3, scale);
  await page.click("#zoom-fit");
  assertClean(seen);
  await close();
});

test("an answer comes in pieces, and is still there after a reload", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await openTile(page, 2, -1);
  await say(page, "slow question for the page");
  await page.waitForFunction(() => document.querySelector(".coming .text")?.textContent.startsWith("I heard"));
  const part = await page.textContent(".coming .text");
  assert.ok(!part.includes("messages."), `it came at once: ${part}`);
  assert.ok(await page.isVisible("#stop"));
  const whole = "I heard slow question for the page and know 1 messages.";
  await page.waitForFunction((text) => [...document.querySelectorAll(".message .text")].at(-1)?.textContent === text && !document.querySelector(".coming"), whole);
  await page.reload();
  await page.waitForSelector("#chat:not([hidden])");
  await page.waitForFunction((text) => [...document.querySelectorAll(".message .text")].at(-1)?.textContent === text, whole);
  assert.deepEqual(await texts(page), ["slow question for the page", whole]);
  assertClean(seen);
  await close();
});

test("an answer goes on while the page is loaded anew", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await openTile(page, 0, 3);
  await say(page, "slow long reload of the whole page in mid answer");
  await page.waitForSelector(".coming");
  await page.reload();
  await page.waitForFunction(() => [...document.querySelectorAll(".message .text")].at(-1)?.textContent.endsWith("know 1 messages.") && !document.querySelector(".coming"));
  assertClean(seen);
  await close();
});

test("an answer is stopped, and asked for again", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await openTile(page, -2, 2);
  await say(page, "long story");
  await page.waitForSelector(".coming");
  await page.click("#stop");
  await page.waitForSelector("#chat-notice:not([hidden]) button");
  assert.match(await page.textContent("#chat-notice"), /Stopped/);
  assert.equal((await texts(page))[0], "long story");
  await page.click("#chat-notice button");
  await page.waitForSelector(".coming");
  await page.click("#stop");
  await page.waitForSelector("#chat-notice:not([hidden])");
  assertClean(seen);
  await close();
});

test("hostile answers and names are shown and never run", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await openTile(page, 4, 4);
  await say(page, "hostile");
  await page.waitForFunction(() => [...document.querySelectorAll(".message .text")].at(-1)?.textContent.endsWith("done"));
  const answer = (await texts(page)).at(-1);
  assert.ok(answer.startsWith("<img src=x onerror=\"window.owned=1\"><script>"), answer);
  assert.ok(answer.includes("\u2039U+202E\u203a") && answer.includes("\u241b[2J"), answer);
  await page.click("[data-view=files]");
  await page.waitForSelector(".row");
  const names = await page.$$eval(".row .name", (all) => all.map((element) => element.textContent));
  assert.ok(names.includes("<img src=x onerror=window.owned=3>.txt"), names.join());
  assert.ok(names.includes("turned\u2039U+202E\u203agnp.exe"), names.join());
  await page.click(".row:has-text('onerror')");
  await page.waitForFunction(() => document.querySelector(".source")?.textContent.includes("<script>window.owned=4"));
  assert.match(await page.textContent(".identity"), /0x[0-9A-F]{8}.*RGBA/);
  await page.click(".tabs button:has-text('Hex')");
  await page.waitForSelector(".hex");
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.$$eval("img, script:not([src])", (all) => all.length), 0);
  assertClean(seen);
  await close();
});

test("the keys of the old chat", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await page.focus("#map");
  for (const key of ["ArrowRight", "d", "ArrowDown", "s", "w", "a", "ArrowLeft", "ArrowUp", "Shift+ArrowRight"]) await page.keyboard.press(key);
  assert.equal(await page.textContent("#place"), "10, 0");
  await page.keyboard.press("2");
  await page.waitForFunction(() => document.getElementById("place-model").textContent === "Second");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#chat:not([hidden])");
  assert.equal(await page.evaluate(() => document.activeElement.id), "question");
  await page.waitForFunction((id) => document.getElementById("chat-model").value === String(id), target.ids.Second);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "map");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "question");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#chat", { state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement.id), "map");
  await page.keyboard.press("0");
  await page.waitForFunction(() => document.getElementById("place-model").textContent === "Echo");
  // Whoever has no mouse gets out of the map, too.
  await page.keyboard.press("Shift+Tab");
  assert.notEqual(await page.evaluate(() => document.activeElement.id), "map");
  const unnamed = await page.$$eval("button, select, textarea, input", (all) => all
    .filter((element) => element.offsetParent)
    .filter((element) => !(element.getAttribute("aria-label") || element.textContent.trim() || element.labels?.length))
    .map((element) => element.outerHTML));
  assert.deepEqual(unnamed, []);
  assertClean(seen);
  await close();
});

test("the page says that it is connected when its keys work", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await page.route("**/api/models", async (route) => { await new Promise((done) => setTimeout(done, 700)); await route.continue(); });
  await page.reload();
  await page.waitForSelector("#link[data-kind=good]");
  await page.focus("#map");
  await page.keyboard.press("3");
  await page.waitForFunction(() => document.getElementById("place-model").textContent === "Third", null, { timeout: 5000 });
  await page.keyboard.press("0");
  await page.waitForFunction(() => document.getElementById("place-model").textContent === "Echo");
  assertClean(seen);
  await close();
});

test("two windows write one tile and lose nothing", async () => {
  const one = await openPage(shell.url), two = await openPage(shell.url);
  await openTile(one.page, -4, 1);
  await openTile(two.page, -4, 1);
  await say(one.page, "from the first window");
  // The second sees it without being asked.
  await two.page.waitForFunction(() => document.querySelectorAll(".message:not(.coming)").length === 2);
  await one.page.waitForFunction(() => document.querySelectorAll(".message:not(.coming)").length === 2);
  // One that hears nothing shows an old tile: it is told, and its text is kept.
  const deaf = await openPage(shell.url);
  await openTile(deaf.page, -4, 1);
  await deaf.page.evaluate(() => { window.fetch = new Proxy(window.fetch, { apply: (real, self, args) => (String(args[0]).includes("/api/tiles/") && (args[1]?.method ?? "GET") === "GET" ? new Promise(() => {}) : Reflect.apply(real, self, args)) }); });
  await say(two.page, "from the second window");
  await two.page.waitForFunction(() => document.querySelectorAll(".message:not(.coming)").length === 4);
  await say(deaf.page, "from the third window");
  await deaf.page.waitForFunction(() => document.getElementById("chat-notice").textContent.includes("Your text is kept"));
  assert.equal(await deaf.page.inputValue("#question"), "from the third window");
  assert.equal((await texts(deaf.page)).length, 4);
  await deaf.page.press("#question", "Enter");
  await deaf.page.waitForFunction(() => document.querySelectorAll(".message:not(.coming)").length === 6);
  await one.page.waitForFunction(() => document.querySelectorAll(".message:not(.coming)").length === 6);
  const said = (await texts(one.page)).filter((_, index) => index % 2 === 0);
  assert.deepEqual(said, ["from the first window", "from the second window", "from the third window"]);
  for (const { seen, close } of [one, two, deaf]) { assertClean(seen); await close(); }
});

test("a window of 360 pixels has room for everything", async () => {
  const { page, seen, close } = await openPage(shell.url, { viewport: { width: 360, height: 640 }, hasTouch: true, colorScheme: "dark" });
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert.ok(await fits(), "the map");
  await openTile(page, 1, 0);
  assert.equal(await page.$eval("#chat", (chat) => chat.offsetWidth), 360);
  await page.click("#chat-close");
  for (const view of ["files", "boot", "machine"]) {
    await page.click(`[data-view=${view}]`);
    await page.waitForSelector(`#view-${view}:not([hidden])`);
    assert.ok(await fits(), view);
  }
  assertClean(seen);
  await close();
});

test("a program asks a model only when a person says so", async () => {
  const source = join(target.dir, "asks.py"), audit = `${target.dir}.audit.jsonl`;
  writeFileSync(source, "from pxi import *\n\nbuffer = bytearray(64)\ngot = llm(\"2+2?\", buffer, 0)\nprint(err())\nwrite(view(buffer, 0, got))\n");
  execFileSync(process.env.PXFS, ["pxi", "compile", source, "-o", join(target.dir, "asks")]);
  const unrecorded = await openPage(shell.url);
  for (const view of ["boot", "machine"]) {
    await unrecorded.page.click(`[data-view=${view}]`);
    assert.ok(await unrecorded.page.isDisabled(`#${view}-llm`), "it would not be recorded");
  }
  await unrecorded.close();
  const recorded = await startShell(target.dir, "--audit", audit);
  try {
    const { page, seen, close } = await openPage(recorded.url);
    await page.click("[data-view=machine]");
    await page.fill("#machine-path", "/asks");
    const run = async (screen) => {
      await page.click("#machine-run");
      await page.waitForFunction((text) => document.querySelector("#machine pre")?.textContent.trim() === text, screen);
    };
    assert.equal(await page.isChecked("#machine-llm"), false);
    await run("11");
    assert.equal(readFileSync(audit, "utf8"), "");
    await page.check("#machine-llm");
    await run("0\nI heard 2+2? and know 1 messages.");
    const line = JSON.parse(readFileSync(audit, "utf8"));
    assert.deepEqual([line.who, line.cartridge, line.result], ["SYS_LLM /asks", "Echo", "answered"]);
    assertClean(seen);
    await close();
  } finally {
    await recorded.stop();
    rmSync(audit, { force: true });
  }
});

test("without the token there is nothing but a sentence", async () => {
  const { page, close } = await openPage(shell.url.replace(/#.*/, ""), { locked: true });
  await page.waitForSelector("#locked[open]");
  assert.match(await page.textContent("#locked"), /pxfs shell/);
  await close();
});

test("another site gets nothing out of the page", async () => {
  const { page, close } = await openPage(shell.url);
  const context = page.context();
  const foreign = await context.newPage();
  // A site under another name, on this machine; the browser itself does the rest.
  await foreign.route("http://attacker.example/", (route) => route.fulfill({ contentType: "text/html", body: "<h1>hi</h1>" }));
  await foreign.goto("http://attacker.example/");
  const origin = new URL(shell.url).origin;
  const outcome = await foreign.evaluate(async (own) => {
    const tries = {};
    tries.read = await fetch(`${own}/api/map`).then((r) => r.status, () => "refused");
    tries.page = await fetch(`${own}/`).then((r) => r.status, () => "refused");
    tries.write = await fetch(`${own}/api/tiles/9,9/messages`, { method: "POST", mode: "no-cors", body: "{\"text\":\"x\",\"revision\":0}" }).then((r) => r.type, () => "refused");
    const frame = document.createElement("iframe");
    frame.src = own;
    document.body.append(frame);
    await new Promise((done) => setTimeout(done, 500));
    try { tries.frame = frame.contentDocument ? "seen" : "refused"; } catch { tries.frame = "refused"; }
    return tries;
  }, origin);
  assert.equal(outcome.read, "refused");
  assert.equal(outcome.page, "refused");
  assert.equal(outcome.frame, "refused");
  const tile = await page.evaluate(() => fetch("/api/tiles/9,9", { headers: { Authorization: `Bearer ${sessionStorage.getItem("pxfs-token")}` } }).then((r) => r.json()));
  assert.equal(tile.revision, 0, "a form of another site wrote into the map");
  await close();
});
