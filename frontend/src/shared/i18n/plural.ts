/** The form of a word that goes with a number. */

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** Chooses by the rules of the language; `other` stands in for what is missing. */
export function plural(language: string, count: number, forms: Forms): string {
  return forms[new Intl.PluralRules(language).select(count)] ?? forms.other;
}
