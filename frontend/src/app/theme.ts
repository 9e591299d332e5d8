/** Light, dark, or as the system has it. */
import { readStored, writeStored } from "@/shared/storage";
import { Store } from "@/shared/store";

const themes = ["system", "light", "dark"] as const;

export type Theme = (typeof themes)[number];

const KEY = "vb.theme";

export const theme = new Store<Theme>(readStored(KEY, isTheme) ?? "system");

export function nextTheme(current: Theme): Theme {
  return themes[(themes.indexOf(current) + 1) % themes.length] ?? "system";
}

/** Shows the chosen theme now and after every change, in every tab. */
export function followTheme(): void {
  const show = () => {
    document.documentElement.dataset["theme"] = theme.get();
  };
  theme.subscribe(show);
  addEventListener("storage", (event) => {
    if (event.key === KEY) theme.set(readStored(KEY, isTheme) ?? "system");
  });
  show();
}

export function chooseTheme(chosen: Theme): void {
  theme.set(chosen);
  writeStored(KEY, chosen === "system" ? null : chosen);
}

function isTheme(value: unknown): value is Theme {
  return themes.some((known) => known === value);
}
