/**
 * The time as the gateway tells it.
 *
 * Every moment in an event or an answer is the gateway's. What counts from or to
 * such a moment asks this clock: a device's own may be wrong by years.
 */

/** A `Date` header has whole seconds and was on its way: less is no difference. */
const NOTICEABLE_MS = 5_000;

let aheadMs = 0;

/** Learns how far apart the clocks are from an answer's `Date` header. */
export function noteGatewayTime(header: string | null): void {
  const difference = Date.parse(header ?? "") - Date.now();
  if (Number.isNaN(difference)) return;
  aheadMs = Math.abs(difference) < NOTICEABLE_MS ? 0 : difference;
}

/** Now, in milliseconds since 1970. */
export function gatewayNow(): number {
  return Date.now() + aheadMs;
}
