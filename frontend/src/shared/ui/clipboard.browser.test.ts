import { afterEach, expect, it, vi } from "vitest";

import { copyText } from "./clipboard";

afterEach(() => document.body.replaceChildren());

it("copies by the clipboard where there is one", async () => {
  const write = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
  expect(await copyText("words")).toBe(true);
  expect(write).toHaveBeenCalledExactlyOnceWith("words");
});

it("copies by selection where it is forbidden, also in a dialog, and gives the focus back", async () => {
  vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new Error("forbidden"));
  const dialog = document.createElement("dialog");
  const button = document.createElement("button");
  dialog.append(button);
  document.body.append(dialog);
  dialog.showModal();
  button.focus();
  let selected = "";
  vi.spyOn(document, "execCommand").mockImplementation(() => {
    selected = (document.activeElement as HTMLTextAreaElement).value;
    return true;
  });
  expect(await copyText("words")).toBe(true);
  expect(selected).toBe("words");
  expect(document.activeElement).toBe(button);
  expect(document.querySelector("textarea")).toBeNull();
});
