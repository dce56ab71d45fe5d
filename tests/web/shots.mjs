// The pictures of the page for the documents: node shots.mjs DIR

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { closeBrowser, makeTarget, modelServer, openPage, startShell } from "./support.mjs";

const out = process.argv[2];
const server = await modelServer();

/** Some conversations, as people have them. */
const TALKS = [
  [0, 0, "Echo", "What is a sub-boot pixel?", "A file, seen as one pixel: its red, green, blue and alpha are the first four bytes of the SHA-256 of its content. The same content is the same colour, wherever it lies.\n\n```\n$ getfattr -n user.pxfs.id /mnt/boot/00_bios\nuser.pxfs.id=\"0x1A2B3C4D\"\n```"],
  [1, 0, "Echo", "Which stages does the boot have?", "Nine: bios, kernel, policy, llm_plane, world_substrate, llm_shell, human_shell, pixel_repl and guardian."],
  [2, 0, "Second", "Write a haiku about a picture that boots.", "Colours in their rows,\nthe first pixel wakes the next.\nThe image opens."],
  [-1, 0, "Third", "Compare squashfs and pxfs for cold reads.", "Both compress in blocks; pxfs also pushes neighbours into the page cache as it decodes them."],
  [0, 1, "Second", "Plan the next module", "It draws the clock. Input: TIME. Output: 16 by 16 pixels of the frame."],
  [1, 1, "Echo", "Why did the guardian stop?", "Its policy allows four calls a minute, and this was the fifth."],
  [-1, 1, "Echo", "Names for the oracle", "Delphi, Pythia, Dodona."],
  [2, 1, "Third", "Summarise the boot log", "Nine stages, no warning, 41 ms."],
  [0, -1, "Third", "How do I pack a root into a picture?", "pxfs import ROOT world.png"],
  [-2, 0, "Second", "What changed since yesterday?", "Two files in /system and the boot sequence."],
  [1, -1, "Echo", "Explain META pictures", "A picture whose first pixels say how large the picture is that its other pixels hold, compressed."],
  [3, 1, "Echo", "Translate the readme", null],
  [2, -1, "Second", "Colour of the empty file?", "0xE3B0C442: the digest of nothing."],
  [-2, 1, "Third", "Draw a face in 8x8", "Eyes at 2,2 and 5,2; a line from 2,5 to 5,5."],
  [-1, -1, "Echo", "Is the digest pinned?", "Yes, by -o digest= in fstab."],
];

const ids = makeTarget(server.endpoint);
const tiles = {};
for (const [x, y, model, question, answer] of TALKS) {
  const history = [{ role: "user", content: question }];
  if (answer) history.push({ role: "assistant", content: answer });
  tiles[`${x},${y}`] = { model_id: model === "Echo" ? null : ids.ids[model], history };
}
ids.remove();
const target = makeTarget(server.endpoint, { tiles });
mkdirSync(join(target.dir, "boot"));
const boot = new URL("boot/", `file://${process.cwd()}/`).pathname;
for (const name of readdirSync(boot)) execFileSync(process.env.PXFS, ["pxi", "compile", join(boot, name), "-o", join(target.dir, "boot", name.replace(/\.py$/, ""))]);
cpSync("docs/images/cover.png", join(target.dir, "cover.png"));
const shell = await startShell(target.dir);

async function shot(name, options, act) {
  const { page, close } = await openPage(shell.url, options);
  await page.$eval("#target", (element) => { element.textContent = "world"; });
  await page.waitForTimeout(500);
  await act(page);
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(out, `${name}.png`) });
  await close();
}

const chat = async (page) => {
  await page.focus("#map");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".message").length > 1);
};
const file = async (page, names) => {
  await page.click("[data-view=files]");
  for (const name of names) { await page.click(`.row:has-text("${name}")`); await page.waitForTimeout(300); }
};

await shot("shell-chat", { viewport: { width: 1280, height: 760 }, colorScheme: "light" }, chat);
await shot("shell-map-dark", { viewport: { width: 1280, height: 760 }, colorScheme: "dark" }, async (page) => { await page.click("#zoom-out"); });
await shot("shell-files", { viewport: { width: 1280, height: 760 }, colorScheme: "light" }, (page) => file(page, ["boot", "00_bios"]));
await shot("shell-boot", { viewport: { width: 1280, height: 760 }, colorScheme: "dark" }, async (page) => { await page.click("[data-view=boot]"); await page.click("#boot-run"); });
await shot("shell-machine", { viewport: { width: 1280, height: 760 }, colorScheme: "light" }, async (page) => { await page.click("[data-view=machine]"); await page.click("#machine-run"); });
await shot("shell-small", { viewport: { width: 360, height: 720 }, deviceScaleFactor: 2, colorScheme: "light" }, chat);
await shot("shell-small-map", { viewport: { width: 360, height: 720 }, deviceScaleFactor: 2, colorScheme: "dark" }, async () => {});
await shot("shell-small-boot", { viewport: { width: 360, height: 720 }, deviceScaleFactor: 2, colorScheme: "light" }, async (page) => { await page.click("[data-view=boot]"); await page.click("#boot-dry"); });

await closeBrowser();
await shell.stop();
server.close();
target.remove();
