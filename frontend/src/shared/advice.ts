/** What to tell a founder about an error, and what can be done. */
import type { CommandError } from "./api/command-error";
import { language } from "./i18n/language";
import { texts } from "./i18n/texts";

export interface Advice {
  title: string;
  text: string;
}

interface Refusal {
  code: string;
  detail: string;
  isRetryable: boolean;
}

type KnownCode = keyof typeof texts.errors.byCode;

export function adviceFor({ code, detail, isRetryable }: Refusal): Advice {
  if (isKnown(code)) {
    const [title = "", text = ""] = texts.errors.byCode[code];
    return { title, text };
  }
  const action = isRetryable ? texts.errors.retryable : texts.errors.final;
  // The gateway speaks English to programs; it helps whoever reads English.
  const isReadable = detail !== "" && language.get() === "en";
  const text = isReadable ? `${sentence(detail)} ${action}` : action;
  return { title: texts.errors.title, text };
}

/** The same in one line, for a refused command. */
export function refusalText(error: CommandError): string {
  const { code, message: detail, isRetryable } = error;
  const advice = adviceFor({ code, detail, isRetryable });
  return `${advice.title}. ${advice.text}`;
}

function isKnown(code: string): code is KnownCode {
  return Object.hasOwn(texts.errors.byCode, code);
}

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}
