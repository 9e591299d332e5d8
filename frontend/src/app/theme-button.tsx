/** Goes on to the next theme. */
import type { ReactNode } from "react";

import { texts } from "@/shared/i18n/texts";
import { useValue } from "@/shared/store";
import { IconButton } from "@/shared/ui/icon-button";

import { chooseTheme, nextTheme, theme } from "./theme";

const icons = { system: "monitor", light: "sun", dark: "moon" } as const;

export function ThemeButton(): ReactNode {
  const current = useValue(theme);
  return (
    <IconButton
      icon={icons[current]}
      label={texts.theme.label(texts.theme[current])}
      onClick={() => chooseTheme(nextTheme(current))}
    />
  );
}
