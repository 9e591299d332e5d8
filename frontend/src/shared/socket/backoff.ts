/** How long to wait before the next attempt. */

const BASE_MS = 250;
const CEILING_MS = 10_000;

/** Doubles from 250 ms to 10 s; half of it is chance, so that clients spread. */
export function backoffDelayMs(attempt: number, random: () => number): number {
  const limit = Math.min(CEILING_MS, BASE_MS * 2 ** Math.min(attempt, 10));
  return Math.round(limit / 2 + (random() * limit) / 2);
}
