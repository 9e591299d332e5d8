/**
 * Fails when what the browser must load grew beyond its budget (gzip, kB), or when
 * what is for development only was built.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const budgets = { "initial JS": 145, CSS: 14, "largest lazy chunk": 30 };
/** Only the gallery says it. */
const GALLERY_MARK = "data-look";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const page = readFileSync(join(dist, "index.html"), "utf8");
const assets = readdirSync(join(dist, "assets"));
const sizeOf = (name) =>
  gzipSync(readFileSync(join(dist, "assets", name)), { level: 9 }).length / 1000;
const sum = (sizes) => sizes.reduce((total, size) => total + size, 0);

const scripts = assets.filter((name) => name.endsWith(".js"));
const isInitial = (name) => page.includes(`/assets/${name}`);
const measured = {
  "initial JS": sum(scripts.filter(isInitial).map(sizeOf)),
  CSS: sum(assets.filter((name) => name.endsWith(".css")).map(sizeOf)),
  "largest lazy chunk": Math.max(
    0,
    ...scripts.filter((name) => !isInitial(name)).map(sizeOf),
  ),
};

let isWithinBudget = measured["initial JS"] > 0;
for (const [name, size] of Object.entries(measured)) {
  const limit = budgets[name];
  isWithinBudget &&= size <= limit;
  console.log(`${name}: ${size.toFixed(1)} of ${limit} kB`);
}
const built = [page, ...assets.map((name) => readFileSync(join(dist, "assets", name), "utf8"))];
const hasGallery = built.some((text) => text.includes(GALLERY_MARK));
if (hasGallery) console.log("the gallery was built: it is for development only");
process.exit(isWithinBudget && !hasGallery ? 0 : 1);
