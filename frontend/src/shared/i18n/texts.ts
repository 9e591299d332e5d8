/** The words of the page in the language it speaks now. */
import { en } from "./en";

/** The shape every catalogue has: a missing or superfluous text is a type error. */
export type Texts = Translated<typeof en>;

type Translated<Text> = Text extends string
  ? string
  : Text extends (...values: infer Values) => string
    ? (...values: Values) => string
    : { readonly [Key in keyof Text]: Translated<Text[Key]> };

/** Read while rendering, never kept: another language replaces it. */
export let texts: Texts = en;

/** Whoever shows words renders anew afterwards; `language.ts` sees to it. */
export function replaceTexts(catalogue: Texts): void {
  texts = catalogue;
}
