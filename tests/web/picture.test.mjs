// A picture with a model of its own ($PICTURE): its answer comes in pieces in the page,
// and is in the picture afterwards. What the model says is its own affair.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { closeBrowser, openPage, startShell } from "./support.mjs";

test("a tile talks to the model in the picture", { timeout: 600_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "pxfs-web-"));
  const image = join(dir, "world.png");
  copyFileSync(process.env.PICTURE, image);
  const shell = await startShell(image);
  try {
    const { page, seen } = await openPage(shell.url);
    await page.focus("#map");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => !document.getElementById("chat-model").disabled);
    await page.fill("#question", "Name three colours.");
    await page.keyboard.press("Enter");
    const start = Date.now();
    await page.waitForFunction(() => document.querySelector(".coming .text")?.textContent.length > 0, null, { timeout: 300_000 });
    const parts = new Set();
    while (await page.$(".coming")) {
      parts.add(await page.$$eval(".message .text", (all) => all.at(-1).textContent));
      await page.waitForTimeout(50);
      assert.ok(Date.now() - start < 500_000, "the answer does not end");
    }
    const notice = await page.textContent("#chat-notice");
    assert.equal(notice, "");
    const answer = await page.$$eval(".message .text", (all) => all.at(-1).textContent);
    console.log(`in ${parts.size} pieces, ${await page.textContent("#chat-about")}: ${answer}`);
    assert.ok(parts.size > 2, "it came at once");
    await page.reload();
    await page.waitForFunction((text) => [...document.querySelectorAll(".message .text")].at(-1)?.textContent === text, answer);
    if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT });
    assert.deepEqual(seen.foreign, []);
    assert.deepEqual(seen.errors, []);
    await closeBrowser();
    assert.equal(await shell.stop(), 0);
    const state = JSON.parse(execFileSync(process.env.PXFS, ["cat", image, "worlds/map/infinite_map_state.json"], { encoding: "utf8" }));
    assert.equal(state.tiles["0,0"].history.length, 2);
  } finally {
    await closeBrowser();
    await shell.stop("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  }
});
