/** Every word stands in a catalogue, and every catalogue says everything. */
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, it } from "vitest";

import { de } from "./de";
import { en } from "./en";
import { plural } from "./plural";

const source = fileURLToPath(new URL("../..", import.meta.url));
/** What tests and developers see is not translated. */
const UNTRANSLATED = [`gallery${sep}`, `test${sep}`];
const INTERNATIONAL = /^(?:product|link\.address|markdown\.code|chat\.coachSays.*)$/;

const JSX_TEXT = /(?<![=-])>\s*([^<>{}=;()]*\p{L}{2}[^<>{}=;()]*?)\s*(?:<\/|\{)/gu;
const JSX_TEXT_AFTER_VALUE = /\}\s*([^<>{}=;()]*\p{L}{2}[^<>{}=;()]*?)\s*<\//gu;
const SPOKEN_ATTRIBUTE = /\b(?:aria-label|title|placeholder|alt|label)="([^"]*\p{L}[^"]*)"/gu;

function literalsIn(code: string): string[] {
  const uncommented = code.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [JSX_TEXT, JSX_TEXT_AFTER_VALUE, SPOKEN_ATTRIBUTE].flatMap((pattern) =>
    [...uncommented.matchAll(pattern)].map((match) => match[1] ?? ""),
  );
}

function components(): string[] {
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".tsx") && !name.includes(".test."))
    .filter((name) => !UNTRANSLATED.some((folder) => name.startsWith(folder)));
}

/** Every text by its path; one that takes values is asked with a few. */
function textsOf(catalogue: object, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(catalogue) as [string, unknown][]) {
    const name = `${path}${key}`;
    if (typeof value === "string") found.set(name, value);
    else if (typeof value === "function") {
      const say = value as (...values: unknown[]) => string;
      for (const count of [1, 2, 5_000]) found.set(`${name}(${count})`, say(count, "3 s"));
    } else if (typeof value === "object" && value !== null) {
      for (const [inner, text] of textsOf(value, `${name}.`)) found.set(inner, text);
    }
  }
  return found;
}

describe("the catalogues", () => {
  const english = textsOf(en);
  const german = textsOf(de);

  it("have the same texts, none of them empty", () => {
    expect([...german.keys()]).toEqual(expect.arrayContaining([...english.keys()]));
    expect(german.size).toBe(english.size);
    expect([...german].filter(([, text]) => text.trim() === "")).toEqual([]);
  });

  it("leave nothing in English that a German reader would stumble over", () => {
    const untranslated = [...german].filter(
      ([name, text]) => text === english.get(name) && !INTERNATIONAL.test(name),
    );
    // "3 s" is what a single step says in every language.
    expect(untranslated.map(([name]) => name)).toEqual(["message.steps(1)"]);
  });

  it("say du", () => {
    const formal = [...german].filter(([, text]) => /\b(?:Ihnen|Ihre?[mnrs]?)\b/.test(text));
    expect(formal).toEqual([]);
  });

  it("choose the form that goes with a number", () => {
    const forms = { one: "Treffer", few: "few", other: "die Treffer" };
    expect(plural("de", 1, forms)).toBe("Treffer");
    expect(plural("de", 0, forms)).toBe("die Treffer");
    expect(plural("cs", 3, forms)).toBe("few");
    expect(plural("cs", 7, forms)).toBe("die Treffer");
  });

  it("hold every word of every component", () => {
    const found = components().flatMap((name) =>
      literalsIn(readFileSync(join(source, name), "utf8")).map((text) => `${name}: ${text}`),
    );
    expect(found).toEqual([]);
  });

  it("are read through the language spoken, never by their own names", () => {
    const named = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.tsx?$/.test(name) && !name.startsWith(join("shared", "i18n")))
      .filter((name) => /i18n\/(?:en|de)"/.test(readFileSync(join(source, name), "utf8")));
    expect(named.filter((name) => !name.includes(".test."))).toEqual([]);
  });

  it.each([
    ["<p>Hello there</p>", "Hello there"],
    ["<p>\n  Hello {name}\n</p>", "Hello"],
    ["<p>{name} said so</p>", "said so"],
    ['<img alt="A chart" />', "A chart"],
  ])("would find a literal: %j", (code, literal) => {
    expect(literalsIn(code)).toContain(literal);
  });
});
