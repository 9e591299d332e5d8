// @vitest-environment jsdom
import { afterEach, expect, it } from "vitest";

import { adviceFor } from "../advice";
import { durationText } from "../time";
import { chooseLanguage, followLanguage, language, nameOf, wantedLanguage } from "./language";
import { texts } from "./texts";

afterEach(async () => {
  await chooseLanguage("en");
  localStorage.clear();
});

it("is the first the browser asks for and the page can speak", () => {
  expect(wantedLanguage(["fr-FR", "de-AT", "en"])).toBe("de");
  expect(wantedLanguage(["fr", "it"])).toBe("en");
});

it("is remembered once chosen, whatever the browser asks for", async () => {
  await chooseLanguage("de");
  expect(wantedLanguage(["en"])).toBe("de");
});

it("changes words, numbers, advice and what the document says it is", async () => {
  await chooseLanguage("de");
  expect(language.get()).toBe("de");
  expect(document.documentElement.lang).toBe("de");
  expect(texts.composer.send).toBe("Senden");
  expect(durationText(1_500)).toBe("1,5 s");
  expect(adviceFor({ code: "llm_timeout", detail: "x", isRetryable: true }).title).toBe(
    "Das Modell hat zu lange gebraucht",
  );
  // The gateway's own words are English: better none than those.
  const unknown = adviceFor({ code: "new", detail: "too many", isRetryable: false });
  expect(unknown.text).not.toContain("oo many");
});

it("follows what another tab chose", async () => {
  await followLanguage();
  localStorage.setItem("vb.language", '"de"');
  dispatchEvent(new StorageEvent("storage", { key: "vb.language" }));
  await expect.poll(() => language.get()).toBe("de");
});

it("names every language in itself", () => {
  expect([nameOf("en"), nameOf("de")]).toEqual(["English", "Deutsch"]);
});
