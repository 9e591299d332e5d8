// @vitest-environment jsdom
import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";

import { ConfirmDialog } from "./confirm-dialog";

const dialog = HTMLDialogElement.prototype;
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

it("is closed while it is still in the page, or the focus would be lost", () => {
  const closedInPage: boolean[] = [];
  dialog.showModal ??= () => {};
  dialog.close ??= () => {};
  vi.spyOn(dialog, "showModal").mockImplementation(() => {});
  vi.spyOn(dialog, "close").mockImplementation(function (this: HTMLDialogElement) {
    closedInPage.push(this.isConnected);
  });
  const { rerender } = render(
    <ConfirmDialog title="" text="" action="" onConfirm={() => {}} onClose={() => {}} />,
  );
  rerender(<p>The page goes on.</p>);
  expect(closedInPage).toEqual([true]);
});
