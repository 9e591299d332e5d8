/** Times and durations for people, in the language of the page. */
import { locale } from "./i18n/language";

export function clockTime(timestamp: string): string {
  const format = formatOf("time", (tag) => {
    return new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit" });
  });
  return format.format(new Date(timestamp));
}

/** The day, short: for what lies further back. */
export function dayText(timestamp: string): string {
  const format = formatOf("day", (tag) => new Intl.DateTimeFormat(tag, { dateStyle: "medium" }));
  return format.format(new Date(timestamp));
}

export function dateAndTime(moment: Date): string {
  const format = formatOf("moment", (tag) => {
    return new Intl.DateTimeFormat(tag, { dateStyle: "long", timeStyle: "short" });
  });
  return format.format(moment);
}

/** `0.8 s`, `12 s`, `2 min 5 s`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1_000;
  if (seconds < 10) return `${tenths().format(seconds)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** What is left, as on a clock: `9:05`. */
export function countdownText(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Whole days between two moments by the reader's calendar. */
export function daysBetween(earlier: Date, later: Date): number {
  return Math.round((dayNumber(later) - dayNumber(earlier)) / 86_400_000);
}

function dayNumber(date: Date): number {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}

function tenths(): Intl.NumberFormat {
  return formatOf("tenths", (tag) => {
    return new Intl.NumberFormat(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  });
}

/** Formats are slow to make and asked for in every row. */
const made = new Map<string, unknown>();

function formatOf<Format>(kind: string, make: (tag: string) => Format): Format {
  const tag = locale();
  const key = `${kind} ${tag}`;
  const known = made.get(key) as Format | undefined;
  if (known !== undefined) return known;
  const format = make(tag);
  made.set(key, format);
  return format;
}
