// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";

import { CommandError } from "./api/command-error";
import type { Command, CommandResult } from "./api/wire";
import { navigate } from "./navigation";
import type { Commands } from "./socket/commands";
import { SessionStarts } from "./start-session";

const SESSION = "00000000-0000-4000-8000-000000000001";
const PATH = `/sessions/${SESSION}`;

let sent: Command[] = [];
let answer = held();
const sendFirst = vi.fn<(sessionId: string, text: string, requestId: string) => void>();

interface Held {
  promise: Promise<CommandResult>;
  resolve: (result: CommandResult) => void;
  reject: (error: CommandError) => void;
}

function held(): Held {
  let settle: Omit<Held, "promise"> | undefined;
  const promise = new Promise<CommandResult>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new Error("a promise runs its executor at once");
  return { promise, ...settle };
}

/** What a page has after it was loaded. */
function load(): SessionStarts {
  const commands = {
    send: (command: Command) => {
      sent.push(command);
      return answer.promise;
    },
  };
  return new SessionStarts({ commands: commands as unknown as Commands, sendFirst });
}

beforeEach(() => {
  localStorage.clear();
  navigate("/");
  sent = [];
  answer = held();
  sendFirst.mockReset();
});

it("begins once, however often the founder asks, leaves and comes back", async () => {
  const starts = load();
  const beginning = starts.begin("Queues annoy me");
  await starts.begin("Queues annoy me");
  navigate("/elsewhere");
  navigate("/");
  await starts.begin(null);
  expect(sent).toHaveLength(1);
  answer.resolve({ session_id: SESSION });
  await beginning;
  expect(sendFirst).toHaveBeenCalledTimes(1);
  expect(location.pathname).toBe(PATH);
  expect(starts.get()).toBeNull();
});

it("goes on after a reload under the same ids", async () => {
  void load().begin("Queues annoy me");
  const reloaded = load();
  expect(reloaded.get()?.text).toBe("Queues annoy me");
  reloaded.resume();
  expect(sent[1]).toEqual(sent[0]);
  answer.resolve({ session_id: SESSION });
  await expect.poll(() => sendFirst.mock.calls).toHaveLength(2);
  expect(sendFirst.mock.calls[1]).toEqual(sendFirst.mock.calls[0]);
});

it("does not take the founder away from where they went meanwhile", async () => {
  const beginning = load().begin(null);
  navigate("/elsewhere");
  answer.resolve({ session_id: SESSION });
  await beginning;
  expect(location.pathname).toBe("/elsewhere");
});

it("can be asked again once it was refused", async () => {
  const starts = load();
  const beginning = starts.begin(null);
  answer.reject(new CommandError({ code: "rate_limited", detail: "", retryable: true }));
  await expect(beginning).rejects.toMatchObject({ code: "rate_limited" });
  expect(starts.get()).toBeNull();
  answer = held();
  void starts.begin(null);
  expect(sent[1]?.request_id).not.toBe(sent[0]?.request_id);
});
