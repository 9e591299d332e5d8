import { describe, expect, it } from "vitest";

import { reduceSession } from "@/shared/streams/session-reducer";
import { emptySession, type SessionState } from "@/shared/streams/session-state";
import { eventsOf, turn } from "@/test/events";

import { createAnnouncing } from "./announcement";
import { finishedSentences, plainWords } from "./sentences";

const reply =
  "## First\n\nAsk **five** people. Then [listen](https://example.org)! " +
  "Is it 3.5 times worse?\n\n- one\n- two\n\nDr. Who agrees. The end";

/** Everything said while the log comes in event by event. */
function heard(log: ReturnType<typeof eventsOf>, start: SessionState): string[] {
  const announcing = createAnnouncing();
  announcing(start);
  let state = start;
  return log.flatMap((event) => {
    state = reduceSession(state, [event]).state;
    return announcing(state);
  });
}

const live: SessionState = { ...emptySession, phase: "live" };

describe("a reply that streams", () => {
  const tokens = reply.match(/.{1,4}/gs) ?? [];
  const said = heard(eventsOf(turn(tokens), "run-1"), live);

  it("is said by sentence, each once, with its beginning and its end", () => {
    expect(said[0]).toBe("VentureBot is answering");
    expect(said.at(-1)).toBe("VentureBot has answered");
    expect(said.slice(1, -1).join(" ")).toBe(plainWords(reply));
  });

  it("is announced less often than it has sentences and lines", () => {
    expect(tokens.length).toBeGreaterThan(30);
    expect(said.length).toBeLessThanOrEqual(2 + 9);
  });
});

describe("an opened session", () => {
  const log = eventsOf(turn(["It was said. ", "It was"]), "run-1");

  it("says nothing of what is there", () => {
    const state = reduceSession(live, log.slice(0, 7)).state;
    expect(createAnnouncing()(state)).toEqual([]);
  });

  it("says what comes after", () => {
    const state = reduceSession(live, log.slice(0, 6)).state;
    expect(heard(log.slice(6), state)).toEqual(["It was", "VentureBot has answered"]);
  });
});

describe("what goes otherwise", () => {
  const begun = turn(["Half a. ", "sen"]).slice(0, 7);

  it("is said once: a failure with its reason, a stop, a place in the queue", () => {
    const failed = eventsOf(
      [
        ...begun,
        {
          type: "run.failed",
          data: { code: "llm_timeout", detail: "", retryable: true, retry_after_ms: null },
        },
      ],
      "run-1",
    );
    expect(heard(failed, live).at(-1)).toBe("The reply failed: The model took too long");
    const stopped = eventsOf([...begun, { type: "run.cancelled", data: { reason: "founder" } }], "run-1");
    expect(heard(stopped, live).at(-1)).toBe("The reply was stopped");
    const second = turn([], 2).slice(0, 2);
    const queued = [...eventsOf(begun, "run-1"), ...eventsOf(second, "run-2", 8)];
    expect(heard(queued, live).filter((words) => words.startsWith("Waiting"))).toHaveLength(1);
  });
});

describe("sentences", () => {
  it("wait for their end", () => {
    expect(finishedSentences("One. Two", 0)).toEqual({ words: "One.", end: 5 });
    expect(finishedSentences("One. Two", 5)).toEqual({ words: "", end: 5 });
    expect(finishedSentences("1.", 0).words).toBe("");
  });

  it("are read without marks, tables by their words", () => {
    expect(plainWords("| a | b |\n|---|--:|\n| *1* | `2` |")).toBe("a b 1 2");
    expect(plainWords("> quoted ~~not~~\n```js\nx\n```")).toBe("quoted not x");
  });
});
