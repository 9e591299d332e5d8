/** Which language the page speaks: chosen here, or preferred by the browser. */
import { readStored, writeStored } from "../storage";
import { Store } from "../store";
import { en } from "./en";
import { replaceTexts, type Texts } from "./texts";

export const languages = ["en", "de"] as const;

export type Language = (typeof languages)[number];

const KEY = "vb.language";

const catalogues: Record<Language, () => Promise<Texts>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import("./de")).de,
};

/** The language of the words on the page. */
export const language = new Store<Language>("en");

/** Speaks the founder's language; resolves when its words are here. */
export async function followLanguage(): Promise<void> {
  addEventListener("storage", (event) => {
    if (event.key === KEY) void speak(wantedLanguage());
  });
  await speak(wantedLanguage());
}

export async function chooseLanguage(chosen: Language): Promise<void> {
  writeStored(KEY, chosen);
  await speak(chosen);
}

/** The language's own name for itself. */
export function nameOf(known: Language): string {
  return new Intl.DisplayNames([known], { type: "language" }).of(known) ?? known;
}

/** For `Intl`: the language spoken, with the founder's region where it fits. */
export function locale(): string {
  const spoken = language.get();
  return navigator.languages.find((tag) => baseOf(tag) === spoken) ?? spoken;
}

/** The one chosen on this device, else the first the browser asks for. */
export function wantedLanguage(
  preferred: readonly string[] = navigator.languages,
): Language {
  const bases: unknown[] = preferred.map(baseOf);
  return readStored(KEY, isLanguage) ?? bases.find(isLanguage) ?? "en";
}

async function speak(wanted: Language): Promise<void> {
  if (wanted === language.get()) return;
  try {
    replaceTexts(await catalogues[wanted]());
  } catch {
    // Offline, or a newer release: the language spoken so far will do.
    return;
  }
  document.documentElement.lang = wanted;
  language.set(wanted);
}

function baseOf(tag: string): string {
  return tag.split("-")[0] ?? tag;
}

function isLanguage(value: unknown): value is Language {
  return languages.some((known) => known === value);
}
