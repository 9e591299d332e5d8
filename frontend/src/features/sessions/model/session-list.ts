/** The list a founder sees: current, archived or found by title. */
import { useCallback, useEffect, useRef, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import type { Command, SessionView } from "@/shared/api/wire";
import { type Client, useClient } from "@/shared/client";
import { gatewayNow } from "@/shared/gateway-clock";
import { texts } from "@/shared/i18n/texts";
import { useValue } from "@/shared/store";
import {
  currentSessions,
  inListOrder,
  withSessionPage,
} from "@/shared/streams/founder-state";
import { daysBetween } from "@/shared/time";
import { showToast } from "@/shared/ui/toasts";

export interface SessionQuery {
  isArchive: boolean;
  search: string;
}

export interface SessionList {
  sessions: readonly SessionView[];
  state: "loading" | "ready" | "failed";
  loadMore: (() => void) | null;
}

const TYPING_MS = 200;

/** Follows the founder's stream; asks the gateway for what is not in it. */
export function useSessionList(query: SessionQuery): SessionList {
  const client = useClient();
  const founder = useValue(client.streams.founder);
  const isFromStream = !query.isArchive && query.search === "";
  const { found, loadMore: loadMoreFound } = useFound(query, founder.seq, isFromStream);
  if (isFromStream) {
    return {
      sessions: currentSessions(founder),
      state: founder.phase === "loading" ? "loading" : "ready",
      loadMore: founder.nextCursor === null ? null : () => void loadMore(client),
    };
  }
  // What the stream said since is newer than what was found.
  const sessions = found.sessions
    .filter((view) => !founder.deletedIds.has(view.session_id))
    .map((view) => founder.sessions.get(view.session_id) ?? view)
    .filter((view) => view.archived === query.isArchive);
  return {
    sessions: inListOrder(sessions),
    state: found.state,
    loadMore: found.nextCursor === null ? null : loadMoreFound,
  };
}

interface Found {
  sessions: readonly SessionView[];
  state: "loading" | "ready" | "failed";
  nextCursor: string | null;
}

const NOTHING_YET: Found = { sessions: [], state: "loading", nextCursor: null };

function useFound(query: SessionQuery, seq: number, isFromStream: boolean) {
  const { rest } = useClient();
  const { isArchive, search } = query;
  const [found, setFound] = useState(NOTHING_YET);
  /** How many were asked for: asking anew keeps the pages that were opened. */
  const wanted = useRef(0);
  useEffect(() => {
    wanted.current = 0;
  }, [isArchive, search]);

  const ask = useCallback(
    async (signal?: AbortSignal) => {
      try {
        const sessions: SessionView[] = [];
        let nextCursor: string | null = null;
        do {
          const cursor: { cursor?: string } = nextCursor === null ? {} : { cursor: nextCursor };
          const page = await rest.sessions({ q: search, archived: isArchive, ...cursor }, signal);
          sessions.push(...page.sessions);
          nextCursor = page.next_cursor;
        } while (nextCursor !== null && sessions.length < wanted.current);
        setFound({ sessions, state: "ready", nextCursor });
      } catch {
        if (!signal?.aborted) setFound({ ...NOTHING_YET, state: "failed" });
      }
    },
    [rest, isArchive, search],
  );
  useEffect(() => {
    if (isFromStream) return;
    const abort = new AbortController();
    const timer = setTimeout(() => void ask(abort.signal), TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
    // A new `seq` says that something in the list may have changed.
  }, [ask, seq, isFromStream]);

  const loadMoreFound = () => {
    wanted.current = found.sessions.length + 1;
    void ask();
  };
  return { found, loadMore: loadMoreFound };
}

async function loadMore({ rest, streams }: Client): Promise<void> {
  const cursor = streams.founder.get().nextCursor;
  if (cursor === null) return;
  try {
    const page = await rest.sessions({ cursor });
    streams.founder.change((state) => withSessionPage(state, page));
  } catch {
    showToast(texts.sessions.failed);
  }
}

/** Carries out a command of the list and says when it was refused. */
export function useSessionCommand(): (command: Command) => Promise<boolean> {
  const { commands } = useClient();
  return useCallback(
    async (command) => {
      try {
        await commands.send(command);
        return true;
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        // Another tab was quicker: it is gone, as it should be.
        if (command.type === "session.delete" && error.code === "session_unknown") return true;
        showToast(refusalText(error));
        return false;
      }
    },
    [commands],
  );
}

export interface SessionGroup {
  title: string;
  sessions: SessionView[];
}

/** Pinned ones, then by when they were last used, as a person would say it. */
export function groupedByDay(
  sessions: readonly SessionView[],
  now = new Date(gatewayNow()),
): SessionGroup[] {
  const groups = new Map<string, SessionView[]>();
  for (const session of sessions) {
    const title = session.pinned
      ? texts.sessions.pinned
      : dayTitle(daysBetween(new Date(session.updated_at), now));
    groups.set(title, [...(groups.get(title) ?? []), session]);
  }
  return [...groups].map(([title, members]) => ({ title, sessions: members }));
}

function dayTitle(days: number): string {
  if (days <= 0) return texts.sessions.today;
  if (days === 1) return texts.sessions.yesterday;
  return days <= 7 ? texts.sessions.thisWeek : texts.sessions.older;
}
