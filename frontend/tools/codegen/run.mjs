/**
 * Writes src/shared/api/schema.gen.ts from openapi.json.
 *
 * `--check` writes nothing and fails when the file on disk differs.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = here("../../src/shared/api/schema.gen.ts");
const generator = here("node_modules/openapi-typescript/bin/cli.js");

if (!existsSync(generator)) {
  console.error("Install the generator first: npm ci --prefix tools/codegen");
  process.exit(1);
}
const result = spawnSync(
  process.execPath,
  [generator, here("../../openapi.json"), "--alphabetize", "--default-non-nullable=false"],
  { encoding: "utf8", cwd: here("."), stdio: ["ignore", "pipe", "inherit"] },
);
if (result.status !== 0) process.exit(result.status ?? 1);

const current = existsSync(target) ? readFileSync(target, "utf8") : "";
if (current === result.stdout) {
  console.log("schema.gen.ts is up to date");
} else if (process.argv.includes("--check")) {
  console.error("schema.gen.ts differs from openapi.json: run `npm run codegen`");
  process.exit(1);
} else {
  writeFileSync(target, result.stdout);
  console.log("schema.gen.ts written");
}
