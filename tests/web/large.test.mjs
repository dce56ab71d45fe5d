// 10,000 tiles: panned and zoomed, frames counted by the browser itself.
//
// WEB_FPS is the least number of frames a second that is taken (scripts/web-test --fps);
// without it the numbers are printed and only what is wrong fails: a machine that
// does other work at the same time says nothing about the page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, largeState, makeTarget, modelServer, openPage, startShell } from "./support.mjs";

let server, target, shell;

before(async () => {
  server = await modelServer();
  target = makeTarget(server.endpoint, largeState());
  shell = await startShell(target.dir);
});

after(async () => {
  await closeBrowser();
  await shell?.stop();
  server?.close();
  target?.remove();
});

/** Moves the map for a while, as a hand does; gives back the times of the frames. */
const record = (page, kind, ms) => page.evaluate(async ([what, time]) => {
  const map = document.getElementById("map");
  const { width, height } = map.getBoundingClientRect();
  const at = { x: width / 2, y: height / 2 };
  const fire = (type, more = {}) => map.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: "mouse", button: 0, buttons: 1, clientX: at.x, clientY: at.y + map.getBoundingClientRect().top, bubbles: true, isPrimary: true, ...more }));
  map.setPointerCapture = () => {};
  const stamps = [];
  const start = performance.now();
  if (what === "pan") fire("pointerdown");
  await new Promise((done) => {
    const frame = (now) => {
      stamps.push(now);
      const t = (now - start) / 1000;
      if (now - start > time) return done();
      if (what === "pan") {
        at.x = width / 2 + Math.sin(t * 2.1) * width * 0.42;
        at.y = height / 2 + Math.cos(t * 1.7) * height * 0.4;
        fire("pointermove");
      } else {
        map.dispatchEvent(new WheelEvent("wheel", { deltaY: 40 * Math.sin(t * 1.4), clientX: width / 2, clientY: height / 2, bubbles: true, cancelable: true }));
      }
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  if (what === "pan") fire("pointerup");
  return stamps;
}, [kind, ms]);

function rates(stamps) {
  const steps = stamps.slice(1).map((now, index) => now - stamps[index]).sort((a, b) => a - b);
  const at = (part) => steps[Math.min(steps.length - 1, Math.floor(steps.length * part))];
  return { median: 1000 / at(0.5), slow: 1000 / at(0.95), frames: steps.length };
}

test("10,000 tiles pan and zoom", async () => {
  const { page, seen, close } = await openPage(shell.url);
  await page.waitForFunction(() => Number(document.getElementById("map").dataset.frames) > 2);
  const count = await page.evaluate(async () => (await (await fetch("/api/map", { headers: { Authorization: `Bearer ${sessionStorage.getItem("pxfs-token")}` } })).json()).tiles.length);
  assert.equal(count, 10_000);
  const least = Number(process.env.WEB_FPS ?? 0);
  await page.click("#zoom-fit");
  await page.waitForTimeout(1200);
  for (const [name, steps] of [["all in view", 0], ["from afar", 3], ["near", 4], ["close", 3]]) {
    for (let n = 0; n < steps; n += 1) { await page.click("#zoom-in"); await page.waitForTimeout(250); }
    await page.waitForTimeout(400);
    const drawn = Number(await page.$eval("#map", (map) => map.dataset.frames));
    const pan = rates(await record(page, "pan", 3000));
    const more = Number(await page.$eval("#map", (map) => map.dataset.frames)) - drawn;
    assert.ok(more >= pan.frames * 0.8, `the map was drawn ${more} times in ${pan.frames} frames`);
    const scale = await page.$eval("#map", (map) => Number(map.dataset.scale).toFixed(0));
    console.log(`pan, ${name} (${scale} px a tile): median ${pan.median.toFixed(1)} frames/s, 95 % of frames at ${pan.slow.toFixed(1)} or more`);
    assert.ok(pan.median >= least, `${pan.median} frames a second`);
  }
  const zoom = rates(await record(page, "zoom", 3000));
  console.log(`zoom: median ${zoom.median.toFixed(1)} frames/s, 95 % of frames at ${zoom.slow.toFixed(1)} or more`);
  assert.ok(zoom.median >= least, `${zoom.median} frames a second`);
  assert.deepEqual(seen.errors, []);
  await close();
});
