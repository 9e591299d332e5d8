/** Which language the page speaks. */
import type { ReactNode } from "react";

import { chooseLanguage, language, languages, nameOf } from "@/shared/i18n/language";
import { texts } from "@/shared/i18n/texts";
import { useValue } from "@/shared/store";
import { Icon } from "@/shared/ui/icon";

import styles from "./panel-foot.module.css";

export function LanguageChoice(): ReactNode {
  const current = useValue(language);
  return (
    <label className={styles["entry"]}>
      <Icon name="globe" size={16} />
      <span className="visually-hidden">{texts.language}</span>
      <select
        value={current}
        onChange={(event) => {
          const chosen = languages.find((known) => known === event.target.value);
          if (chosen) void chooseLanguage(chosen);
        }}
      >
        {languages.map((known) => (
          <option key={known} value={known} lang={known}>
            {nameOf(known)}
          </option>
        ))}
      </select>
    </label>
  );
}
