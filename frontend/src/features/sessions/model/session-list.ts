/** The list a founder sees: current, archived or found by title. */
import { useCallback, useEffect, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import type { Command, SessionView } from "@/shared/api/wire";
import { type Client, useClient } from "@/shared/client";
import { en } from "@/shared/i18n/en";
import { useValue } from "@/shared/store";
import {
  currentSessions,
  lastUsedFirst,
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
  const found = useFound(query, founder.seq, isFromStream);
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
  return { sessions: lastUsedFirst(sessions), state: found.state, loadMore: null };
}

interface Found {
  sessions: readonly SessionView[];
  state: "loading" | "ready" | "failed";
}

function useFound(query: SessionQuery, seq: number, isFromStream: boolean): Found {
  const { rest } = useClient();
  const { isArchive, search } = query;
  const [found, setFound] = useState<Found>({ sessions: [], state: "loading" });
  useEffect(() => {
    if (isFromStream) return;
    const abort = new AbortController();
    const ask = async () => {
      try {
        const page = await rest.sessions({ q: search, archived: isArchive }, abort.signal);
        setFound({ sessions: page.sessions, state: "ready" });
      } catch {
        if (!abort.signal.aborted) setFound({ sessions: [], state: "failed" });
      }
    };
    const timer = setTimeout(() => void ask(), TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
    // A new `seq` says that something in the list may have changed.
  }, [rest, isArchive, search, seq, isFromStream]);
  return found;
}

async function loadMore({ rest, streams }: Client): Promise<void> {
  const cursor = streams.founder.get().nextCursor;
  if (cursor === null) return;
  try {
    const page = await rest.sessions({ cursor });
    streams.founder.change((state) => withSessionPage(state, page));
  } catch {
    showToast(en.sessions.failed);
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

/** By when they were last used, as a person would say it. */
export function groupedByDay(
  sessions: readonly SessionView[],
  now = new Date(),
): SessionGroup[] {
  const groups = new Map<string, SessionView[]>();
  for (const session of sessions) {
    const title = dayTitle(daysBetween(new Date(session.updated_at), now));
    groups.set(title, [...(groups.get(title) ?? []), session]);
  }
  return [...groups].map(([title, members]) => ({ title, sessions: members }));
}

function dayTitle(days: number): string {
  if (days <= 0) return en.sessions.today;
  if (days === 1) return en.sessions.yesterday;
  return days <= 7 ? en.sessions.thisWeek : en.sessions.older;
}
