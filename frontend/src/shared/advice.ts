/** What to tell a founder about an error, and what can be done. */
import type { CommandError } from "./api/command-error";
import { en } from "./i18n/en";

export interface Advice {
  title: string;
  text: string;
}

interface Refusal {
  code: string;
  detail: string;
  isRetryable: boolean;
}

export function adviceFor({ code, detail, isRetryable }: Refusal): Advice {
  const known = en.errors.byCode[code];
  if (known) return { title: known[0], text: known[1] };
  const action = isRetryable ? en.errors.retryable : en.errors.final;
  return { title: en.errors.title, text: detail ? `${sentence(detail)} ${action}` : action };
}

/** The same in one line, for a refused command. */
export function refusalText(error: CommandError): string {
  const { code, message: detail, isRetryable } = error;
  const advice = adviceFor({ code, detail, isRetryable });
  return `${advice.title}. ${advice.text}`;
}

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}
