import { useEffect, useState } from "react";

import { gatewayNow } from "@/shared/gateway-clock";

const TICK_MS = 1_000;

/** Milliseconds since a moment, told once a second while it counts. */
export function useElapsed(since: string, isCounting: boolean): number {
  const [now, setNow] = useState(gatewayNow);
  useEffect(() => {
    if (!isCounting) return;
    const timer = setInterval(() => setNow(gatewayNow()), TICK_MS);
    return () => clearInterval(timer);
  }, [isCounting]);
  return Math.max(0, now - Date.parse(since));
}
