import { render, screen, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { userEvent } from "vitest/browser";

import { ClientContext } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { createTestClient } from "@/test/chat-harness";

import { linkToken, takeLinkToken } from "../model/link-token";
import { LinkDialog } from "./link-dialog";
import { LinkPage } from "./link-page";

const URL_OF_LINK = "https://ventures.example/link#secret";
const answer = vi.fn<(path: string) => Response>();

function show(part: ReactNode): void {
  const client = createTestClient((input) => Promise.resolve(answer(String(input))));
  render(<ClientContext value={client}>{part}</ClientContext>);
}

function refused(code: string, status: number): Response {
  return Response.json({ code, detail: "", retryable: false }, { status });
}

function made(seconds: number): Response {
  const expiresAt = new Date(Date.now() + seconds * 1_000).toISOString();
  return Response.json({ url: URL_OF_LINK, expires_at: expiresAt });
}

function arrive(): void {
  history.replaceState(null, "", "/link#secret");
  takeLinkToken();
}

let path = "";

beforeEach(() => {
  path = location.href;
  sessionStorage.clear();
  answer.mockReset();
});

afterEach(() => history.replaceState(null, "", path));

describe("a link for another device", () => {
  it("is shown with its QR code and how long it lasts, until it is closed", async () => {
    const close = vi.fn<() => void>();
    answer.mockReturnValue(made(600));
    show(<LinkDialog onClose={close} />);
    const address = await screen.findByRole<HTMLInputElement>("textbox");
    expect(address.value).toBe(URL_OF_LINK);
    expect(screen.getByRole("img")).toBeTruthy();
    expect(screen.getByTestId("link-expiry").textContent).toMatch(/\d/);
    await userEvent.click(screen.getByRole("button", { name: "Close" }));
    expect(close).toHaveBeenCalledOnce();
  });

  it("is made anew when it expired or could not be made", async () => {
    answer.mockReturnValueOnce(refused("rate_limited", 429)).mockReturnValueOnce(made(1));
    answer.mockReturnValue(made(600));
    show(<LinkDialog onClose={() => {}} />);
    await userEvent.click(await screen.findByRole("button", { name: /new link|again/i }));
    await screen.findByRole("textbox");
    await userEvent.click(
      await screen.findByRole("button", { name: /new link|again/i }, { timeout: 10_000 }),
    );
    await screen.findByRole("textbox");
    expect(answer).toHaveBeenCalledTimes(3);
  });
});

describe("the page a link leads to", () => {
  it("takes the secret out of the address", () => {
    arrive();
    expect(location.hash).toBe("");
    expect(linkToken()?.token).toBe("secret");
  });

  it("says how many sessions stay behind, and when the link is used up", async () => {
    localStorage.setItem("vb.founder.minted", "true");
    arrive();
    answer.mockImplementation((asked) =>
      asked.includes("redeem")
        ? refused("link_invalid", 404)
        : Response.json({ sessions: [{}, {}], next_cursor: null }),
    );
    show(<LinkPage />);
    expect(await screen.findByText(texts.link.ownStayBehind(2))).toBeTruthy();
    const buttons = screen.getAllByRole("button");
    await userEvent.click(buttons.at(-1) as HTMLElement);
    expect(await screen.findByRole("alert")).toBeTruthy();
    await waitFor(() => expect(linkToken()).toBeNull());
  });

  it("keeps the link when nobody answered", async () => {
    arrive();
    answer.mockImplementation(() => refused("store_unavailable", 503));
    show(<LinkPage />);
    await userEvent.click(screen.getAllByRole("button").at(-1) as HTMLElement);
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(linkToken()?.token).toBe("secret");
  });
});
