/** Shows the page anew in another language. */
import { Fragment, type ReactNode } from "react";

import { language } from "@/shared/i18n/language";
import { useValue } from "@/shared/store";

/** Rows keep what they rendered: only a new tree says everything in new words. */
export function Localised({ children }: { children: ReactNode }): ReactNode {
  return <Fragment key={useValue(language)}>{children}</Fragment>;
}
