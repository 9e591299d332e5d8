/** One calm line when the browser keeps nothing of what is being written. */
import type { ReactNode } from "react";

import { texts } from "@/shared/i18n/texts";
import { isStorageKept } from "@/shared/storage";
import { useValue } from "@/shared/store";

import styles from "./storage-line.module.css";

export function StorageLine(): ReactNode {
  if (useValue(isStorageKept)) return null;
  return (
    <p className={styles["line"]} role="status" data-testid="not-kept">
      {texts.notKept}
    </p>
  );
}
