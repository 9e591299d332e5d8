import { render, screen, waitFor } from "@testing-library/react";
import axe from "axe-core";
import { expect, it } from "vitest";
import { page } from "vitest/browser";

import { texts } from "@/shared/i18n/texts";

import { Gallery } from "./gallery";

it.each([1_000, 360])("no component in any state breaks a rule, %i px wide", async (width) => {
  await page.viewport(width, 800);
  // One of its cases fails on purpose.
  const { container } = render(<Gallery />, { onCaughtError: () => {} });
  await waitFor(() => {
    // What was found, in both looks; a link that is ready; one that leads nowhere.
    expect(container.querySelectorAll("mark")).toHaveLength(4);
    expect(screen.getAllByTestId("link-expiry")).toHaveLength(2);
    expect(screen.getAllByText(texts.link.brokenTitle)).toHaveLength(2);
  });
  const { violations } = await axe.run(container, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    resultTypes: ["violations"],
    // Both looks stand on one page: what must be unique on a page is there twice.
    rules: { "duplicate-id": { enabled: false }, "duplicate-id-aria": { enabled: false } },
  });
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  expect(found).toEqual([]);
  const frame = container.querySelector("main");
  expect(frame && frame.scrollWidth - frame.clientWidth).toBe(0);
});
