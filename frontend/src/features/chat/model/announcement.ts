/** What a screen reader is told: that a reply begins and how it ends. */
import { en } from "@/shared/i18n/en";
import { isFinal, lastRunOf, type SessionState } from "@/shared/streams/session-state";

/** Changes only when a run begins or ends, never with its words. */
export function announcementOf(state: SessionState): string {
  if (state.phase === "loading") return "";
  const run = lastRunOf(state);
  if (run === null) return "";
  if (!isFinal(run)) return en.announce.started;
  if (run.state === "failed") return en.announce.failed;
  return run.state === "cancelled" ? en.announce.cancelled : en.announce.finished;
}
