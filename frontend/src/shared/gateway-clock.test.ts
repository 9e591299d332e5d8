import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { gatewayNow, noteGatewayTime } from "./gateway-clock";

const NOON = "Thu, 01 Jan 2026 12:00:00 GMT";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  noteGatewayTime(new Date().toUTCString());
  vi.useRealTimers();
});

describe("the gateway's clock", () => {
  it.each(["2020-01-01T00:00:00Z", "2031-01-01T00:00:00Z"])("is right on a device at %s", (wrong) => {
    vi.setSystemTime(wrong);
    noteGatewayTime(NOON);
    expect(gatewayNow()).toBe(Date.parse(NOON));
    vi.advanceTimersByTime(90_000);
    expect(gatewayNow()).toBe(Date.parse(NOON) + 90_000);
  });

  it("is the device's own when both agree, or when nothing is told", () => {
    vi.setSystemTime("2026-01-01T12:00:00.900Z");
    for (const header of [NOON, null, "yesterday"]) {
      noteGatewayTime(header);
      expect(gatewayNow()).toBe(Date.now());
    }
  });

  it("follows a device that is set right", () => {
    vi.setSystemTime("2031-01-01T00:00:00Z");
    noteGatewayTime(NOON);
    vi.setSystemTime(NOON);
    noteGatewayTime(NOON);
    expect(gatewayNow()).toBe(Date.now());
  });
});
