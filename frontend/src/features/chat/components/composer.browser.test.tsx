import { act, render, screen } from "@testing-library/react";
import { type ReactNode, useState } from "react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { userEvent } from "vitest/browser";

import { createTestClient } from "@/test/chat-harness";
import { SESSION } from "@/test/events";

import { Chat } from "../model/chat";
import { Composer } from "./composer";

const sent = vi.fn();

function Writing({ isBusy = false }: { isBusy?: boolean }): ReactNode {
  const [text, setText] = useState("");
  return (
    <Composer
      text={text}
      placeholder="Write"
      onChange={setText}
      onSend={(words) => {
        sent(words);
        setText("");
      }}
      isBusy={isBusy}
    />
  );
}

function area(): HTMLTextAreaElement {
  return screen.getByRole<HTMLTextAreaElement>("textbox");
}

function sendButton(): HTMLButtonElement {
  return screen.getByRole<HTMLButtonElement>("button", { name: "Send" });
}

/** As the browser does it: the event first, then, unless refused, the words. */
function paste(data: DataTransfer): boolean {
  const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  const isTaken = area().dispatchEvent(event);
  if (isTaken) document.execCommand("insertText", false, data.getData("text/plain"));
  return isTaken;
}

beforeEach(() => {
  sent.mockClear();
  localStorage.clear();
});

describe("keys", () => {
  it("Enter sends, Shift+Enter breaks the line, the focus stays", async () => {
    render(<Writing />);
    expect(document.activeElement).toBe(area());
    await userEvent.keyboard("one{Shift>}{Enter}{/Shift}two");
    expect(area().value).toBe("one\ntwo");
    await userEvent.keyboard("{Enter}");
    expect(sent).toHaveBeenCalledExactlyOnceWith("one\ntwo");
    expect(area().value).toBe("");
    expect(document.activeElement).toBe(area());
  });

  it("sends nothing that is only blank, and nothing while busy", async () => {
    const { rerender } = render(<Writing />);
    await userEvent.keyboard("  {Enter}");
    expect(sendButton().disabled).toBe(true);
    rerender(<Writing isBusy />);
    await userEvent.keyboard("words{Enter}");
    expect(sent).not.toHaveBeenCalled();
    expect(area().value).toContain("words");
  });

  it("leaves Enter to an input method that is composing", async () => {
    render(<Writing />);
    await userEvent.keyboard("ni");
    area().dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
    const enter = { key: "Enter", bubbles: true, cancelable: true } as const;
    const composing = new KeyboardEvent("keydown", { ...enter, isComposing: true });
    expect(area().dispatchEvent(composing)).toBe(true);
    const legacy = new KeyboardEvent("keydown", { ...enter, keyCode: 229 });
    expect(area().dispatchEvent(legacy)).toBe(true);
    expect(sent).not.toHaveBeenCalled();
    area().dispatchEvent(new CompositionEvent("compositionend", { bubbles: true, data: "你" }));
    await userEvent.keyboard("{Enter}");
    expect(sent).toHaveBeenCalledOnce();
  });
});

describe("pasting", () => {
  it("of 20 kB keeps every letter, says that it is too long and grows no further", async () => {
    render(<Writing />);
    const data = new DataTransfer();
    data.setData("text/plain", "word ".repeat(4_096));
    act(() => {
      paste(data);
    });
    expect(area().value).toHaveLength(20_480);
    expect(area().getAttribute("aria-invalid")).toBe("true");
    expect(sendButton().disabled).toBe(true);
    expect(screen.getByText(/characters too many/)).toBeTruthy();
    expect(area().getBoundingClientRect().height).toBeLessThanOrEqual(222);
    expect(area().scrollHeight).toBeGreaterThan(area().clientHeight);
  });

  it("of rich text takes the words alone", () => {
    render(<Writing />);
    const data = new DataTransfer();
    data.setData("text/html", "<b onclick=alert(1)>Bold</b><img src=x onerror=alert(1)>");
    data.setData("text/plain", "Bold");
    act(() => {
      paste(data);
    });
    expect(area().value).toBe("Bold");
    expect(document.querySelector("form img, form b")).toBeNull();
  });

  it("of a file changes nothing", () => {
    render(<Writing />);
    const data = new DataTransfer();
    data.items.add(new File(["x"], "x.png", { type: "image/png" }));
    act(() => {
      paste(data);
    });
    expect(area().value).toBe("");
    expect(sent).not.toHaveBeenCalled();
  });
});

describe("the draft", () => {
  it("of a session outlives the page", () => {
    const client = createTestClient();
    new Chat(SESSION, client).outbox.setDraft("half a thought");
    expect(new Chat(SESSION, client).outbox.get().draft).toBe("half a thought");
  });

  it("reads in the direction of its words", async () => {
    render(<Writing />);
    await userEvent.keyboard("שלום");
    expect(getComputedStyle(area()).direction).toBe("rtl");
  });
});
