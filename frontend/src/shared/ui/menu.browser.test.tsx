import { render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { userEvent } from "vitest/browser";

import { Menu } from "./menu";

it("opens by keyboard, moves by arrows and gives the focus back", async () => {
  render(
    <Menu
      label="More"
      icon="more"
      items={[
        { label: "One", icon: "edit" },
        { label: "Two", icon: "trash" },
      ]}
    />,
  );
  const button = screen.getByRole("button", { name: "More" });
  button.focus();
  await userEvent.keyboard("{Enter}");
  await expect.poll(() => document.activeElement?.textContent).toBe("One");
  await userEvent.keyboard("{ArrowDown}");
  expect(document.activeElement?.textContent).toBe("Two");
  await userEvent.keyboard("{ArrowDown}");
  expect(document.activeElement?.textContent).toBe("One");
  await userEvent.keyboard("{Escape}");
  await expect.poll(() => document.activeElement).toBe(button);
});
