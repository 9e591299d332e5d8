/** Two projects: what needs no layout runs in Node, the rest in a real Chromium. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { playwright } from "@vitest/browser-playwright";
import { defineConfig, mergeConfig } from "vitest/config";

import viteConfig from "./vite.config.ts";

const inBrowser = "src/**/*.browser.test.{ts,tsx}";
const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const node = {
  extends: true as const,
  test: {
    name: "node",
    environment: "node",
    include: ["src/**/*.test.{ts,tsx}"],
    exclude: [inBrowser],
  },
};

const browser = (executablePath: string) => ({
  extends: true as const,
  test: {
    name: "browser",
    include: [inBrowser],
    setupFiles: ["src/test/browser-setup.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      viewport: { width: 1000, height: 800 },
      provider: playwright({ launchOptions: { executablePath, args: flags } }),
      instances: [{ browser: "chromium" as const }],
    },
  },
});

/** `$CHROMIUM` or a browser on PATH; none is an error where nothing may be skipped. */
function findChromium(): string | null {
  const named = process.env["CHROMIUM"];
  if (named) return named;
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const found = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isProgram);
  if (found) return found;
  if (process.env["VB_REQUIRE_REAL"] === "1") {
    throw new Error("no Chromium, and VB_REQUIRE_REAL=1 asks for it: set CHROMIUM");
  }
  process.stderr.write("SKIPPED the tests in a browser: no Chromium; set CHROMIUM\n");
  return null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const chromium = findChromium();

export default mergeConfig(
  viteConfig,
  defineConfig({
    test: {
      restoreMocks: true,
      // Other stages run at the same time: only what hangs is too slow.
      testTimeout: 60_000,
      expect: { poll: { timeout: 30_000 } },
      projects: chromium === null ? [node] : [node, browser(chromium)],
      coverage: {
        provider: "v8",
        include: ["src/**/*.{ts,tsx}"],
        exclude: [
          "src/**/*.test.{ts,tsx}",
          "src/test/**",
          "src/gallery/**",
          "src/shared/api/schema.gen.ts",
          "src/app/main.tsx",
        ],
        reporter: ["text-summary", "json-summary"],
        reportsDirectory: "../var/coverage-page",
        thresholds: { lines: 85 },
      },
    },
  }),
);
