// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";

import { CommandError } from "@/shared/api/command-error";
import type { Command, CommandResult } from "@/shared/api/wire";
import type { Commands } from "@/shared/socket/commands";
import { isStorageKept } from "@/shared/storage";

import { Outbox } from "./outbox";

/** Commands whose fate the test decides. */
class HeldCommands {
  readonly sent: Command[] = [];
  readonly #settlers: { resolve: (result: CommandResult) => void; reject: (error: CommandError) => void }[] = [];

  send(command: Command): Promise<CommandResult> {
    this.sent.push(command);
    return new Promise((resolve, reject) => this.#settlers.push({ resolve, reject }));
  }

  async acknowledge(): Promise<void> {
    this.#settlers.shift()?.resolve({ seq: 1 });
    await Promise.resolve();
  }

  async refuse(): Promise<void> {
    const refusal = { code: "queue_full", detail: "full", retryable: true };
    this.#settlers.shift()?.reject(new CommandError(refusal));
    await Promise.resolve();
    await Promise.resolve();
  }
}

function open() {
  const commands = new HeldCommands();
  const outbox = new Outbox("s1", commands as unknown as Commands);
  return { commands, outbox };
}

beforeEach(() => localStorage.clear());

describe("the outbox", () => {
  it("keeps the draft through a reload", () => {
    open().outbox.setDraft("half a thou");
    expect(open().outbox.get().draft).toBe("half a thou");
  });

  it("keeps a message until its ack, and never sends it as another", async () => {
    const first = open();
    first.outbox.setDraft("Hello");
    first.outbox.send("Hello");
    expect(first.outbox.get()).toMatchObject({ draft: "", messages: [{ text: "Hello" }] });

    const reloaded = open();
    expect(reloaded.commands.sent).toEqual(first.commands.sent);
    await reloaded.commands.acknowledge();
    expect(reloaded.outbox.get().messages[0]?.state).toBe("sent");
    expect(open().commands.sent).toEqual([]);
  });

  it("shows a sent message until the stream has it", async () => {
    const { commands, outbox } = open();
    outbox.send("Hello");
    const requestId = outbox.get().messages[0]?.requestId ?? "";
    outbox.settle(new Set([requestId]));
    expect(outbox.get().messages).toHaveLength(1);
    await commands.acknowledge();
    outbox.settle(new Set([requestId]));
    expect(outbox.get().messages).toHaveLength(0);
  });

  it("sends a refused message again under its first request id", async () => {
    const { commands, outbox } = open();
    outbox.send("Hello");
    await commands.refuse();
    const failed = outbox.get().messages[0];
    expect(failed).toMatchObject({ state: "failed", error: { code: "queue_full" } });
    outbox.retry(failed?.requestId ?? "");
    expect(commands.sent[1]).toEqual(commands.sent[0]);
  });

  it("does not send a refused message by itself after a reload", async () => {
    const { commands, outbox } = open();
    outbox.send("Hello");
    await commands.refuse();
    const reloaded = open();
    expect(reloaded.commands.sent).toEqual([]);
    expect(reloaded.outbox.get().messages[0]?.state).toBe("failed");
  });

  it("gives a refused message back before what was written since", async () => {
    const { commands, outbox } = open();
    outbox.send("Hello");
    await commands.refuse();
    outbox.setDraft("And more");
    outbox.takeBack(outbox.get().messages[0]?.requestId ?? "");
    expect(outbox.get()).toEqual({ draft: "Hello\n\nAnd more", messages: [] });
  });

  it("ignores what it did not write into the storage", () => {
    localStorage.setItem("vb.outbox.s1", '[{"text": 5}]');
    localStorage.setItem("vb.draft.s1", '{"w": null}');
    expect(open().outbox.get()).toEqual({ draft: "", messages: [] });
  });

  it("leaves what another tab has not sent yet in the browser", () => {
    const one = open();
    const other = open();
    one.outbox.send("Written in one tab");
    other.outbox.setDraft("Written in the other");
    expect(open().outbox.get()).toMatchObject({
      draft: "Written in the other",
      messages: [{ text: "Written in one tab" }],
    });
  });

  it("leaves another tab's draft when only a message changes", async () => {
    const one = open();
    one.outbox.send("On its way");
    open().outbox.setDraft("Half a thou");
    await one.commands.acknowledge();
    expect(open().outbox.get()).toEqual({ draft: "Half a thou", messages: [] });
  });

  it("loses no draft when two tabs write in the same session", () => {
    const one = open();
    const other = open();
    one.outbox.setDraft("From one tab");
    other.outbox.setDraft("From the other");
    one.outbox.setDraft("From one tab, longer");
    expect(open().outbox.get().draft).toBe("From one tab, longer");
    const again = open();
    expect(again.outbox.get().draft).toBe("From one tab, longer");
    again.outbox.send("From one tab, longer");
    expect(open().outbox.get().draft).toBe("From the other");
  });

  it("does not bring back what another tab has gone on from and sent", () => {
    open().outbox.setDraft("Begun");
    const other = open();
    expect(other.outbox.get().draft).toBe("Begun");
    other.outbox.setDraft("Begun and ended");
    other.outbox.send("Begun and ended");
    expect(open().outbox.get().draft).toBe("");
  });

  it("keeps everything in memory when the browser takes nothing", async () => {
    const takesNothing = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    try {
      const first = open();
      first.outbox.send("Hello");
      await first.commands.refuse();
      first.outbox.setDraft("More");
      expect(isStorageKept.get()).toBe(false);
      expect(open().outbox.get()).toMatchObject({
        draft: "More",
        messages: [{ text: "Hello", state: "failed" }],
      });
    } finally {
      takesNothing.mockRestore();
    }
    const { outbox } = open();
    outbox.takeBack(outbox.get().messages[0]?.requestId ?? "");
    expect(isStorageKept.get()).toBe(true);
  });
});
