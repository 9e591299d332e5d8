import { describe, expect, it } from "vitest";

import { CommandError } from "./command-error";
import { Rest } from "./rest";

const stop = { type: "run.cancel", run_id: "r1", request_id: "q1" } as const;

async function errorOf(answer: Promise<unknown>): Promise<CommandError> {
  const error: unknown = await answer.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof CommandError) return error;
  throw new Error(`not a CommandError: ${String(error)}`);
}

describe("the gateway over HTTP", () => {
  it.each(["", '{"run_id": "r', "<html>Please log in</html>"])(
    "has not answered when the body is not whole: %j",
    async (body) => {
      const rest = new Rest(() => Promise.resolve(new Response(body)));
      expect((await errorOf(rest.command(stop))).isUnreachable).toBe(true);
    },
  );

  it("has not answered when it is silent for too long", async () => {
    const rest = new Rest(
      (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
        }),
      { silenceMs: 5 },
    );
    expect((await errorOf(rest.command(stop))).isUnreachable).toBe(true);
    expect((await errorOf(rest.mintFounder())).isUnreachable).toBe(true);
  });
});
