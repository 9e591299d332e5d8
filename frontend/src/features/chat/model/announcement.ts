/**
 * What a screen reader is told of a talk: a reply's sentences as they are
 * finished, and once whatever else happens to it. Never a token, never what was
 * there when the session was opened.
 */
import { adviceFor } from "@/shared/advice";
import { texts } from "@/shared/i18n/texts";
import {
  isFinal,
  lastRunOf,
  type Run,
  type SessionState,
} from "@/shared/streams/session-state";

import { finishedSentences, plainWords } from "./sentences";

/** Asked after every change; returns what to say about it. */
export type Announcing = (state: SessionState) => string[];

export function createAnnouncing(): Announcing {
  let isBegun = false;
  const told = new Set<string>();
  const reading = new Map<string, number>();

  /** True the first time only. */
  const isNews = (fact: string): boolean => {
    const isNew = !told.has(fact);
    told.add(fact);
    return isNew && isBegun;
  };
  return (state) => {
    if (state.phase === "loading") return [];
    const said = [
      ...queueNews(state, isNews),
      ...runNews(lastRunOf(state), isNews),
      ...newSentences(state, reading, isBegun),
      ...endNews(lastRunOf(state), isNews),
    ];
    isBegun = true;
    return said;
  };
}

type IsNews = (fact: string) => boolean;

function queueNews(state: SessionState, isNews: IsNews): string[] {
  const waiting = [...state.runs.values()].filter((run) => !isFinal(run)).slice(1);
  return waiting.flatMap((run, index) =>
    isNews(`waits:${run.run_id}`) ? [texts.message.queued(index + 1)] : [],
  );
}

function runNews(run: Run | null, isNews: IsNews): string[] {
  if (run === null || isFinal(run)) return [];
  if (run.state === "dispatched" && run.position !== null) {
    return isNews(`line:${run.run_id}`) ? [texts.run.queued(run.position)] : [];
  }
  const isAnswering = run.state === "running" && isNews(`begins:${run.run_id}`);
  return isAnswering ? [texts.announce.started] : [];
}

function newSentences(
  state: SessionState,
  reading: Map<string, number>,
  isBegun: boolean,
): string[] {
  const said: string[] = [];
  // The last messages alone can still grow.
  for (const id of state.order.slice(-3)) {
    const message = state.messages.get(id);
    if (message === undefined || message.role !== "coach") continue;
    const { text, status } = message;
    const from = reading.get(id) ?? (isBegun && status === "streaming" ? 0 : text.length);
    const { words, end } =
      status === "streaming"
        ? finishedSentences(text, from)
        : { words: plainWords(text.slice(from)), end: text.length };
    reading.set(id, end);
    if (words !== "" && isBegun) said.push(words);
  }
  return said;
}

function endNews(run: Run | null, isNews: IsNews): string[] {
  if (run === null || !isFinal(run) || !isNews(`ends:${run.run_id}`)) return [];
  if (run.state === "cancelled") return [texts.announce.cancelled];
  if (run.error === null) return [texts.announce.finished];
  const { code, detail, retryable: isRetryable } = run.error;
  return [`${texts.announce.failed}: ${adviceFor({ code, detail, isRetryable }).title}`];
}
