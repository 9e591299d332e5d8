// @vitest-environment jsdom
import { expect, it, vi } from "vitest";

import { ensureFounder } from "./founder";
import { Rest } from "./rest";

it("is minted once, however often the connection begins anew meanwhile", async () => {
  const fetchFunction = vi.fn<typeof fetch>(() =>
    Promise.resolve(new Response(JSON.stringify({ stream: "founder:f1" }))),
  );
  const rest = new Rest(fetchFunction);
  const founders = await Promise.all([ensureFounder(rest), ensureFounder(rest)]);
  expect(founders).toMatchObject([{ stream: "founder:f1" }, { stream: "founder:f1" }]);
  expect(fetchFunction).toHaveBeenCalledTimes(1);

  await ensureFounder(rest);
  expect(fetchFunction).toHaveBeenCalledTimes(2);
});
