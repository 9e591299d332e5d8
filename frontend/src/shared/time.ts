/** Times and durations for people. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export function clockTime(timestamp: string): string {
  return clock.format(new Date(timestamp));
}

/** `0.8 s`, `12 s`, `2 min 5 s`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** Whole days between two moments by the reader's calendar. */
export function daysBetween(earlier: Date, later: Date): number {
  return Math.round((dayNumber(later) - dayNumber(earlier)) / 86_400_000);
}

function dayNumber(date: Date): number {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}
