/** What was found in titles and in what was said, page after page. */
import { useCallback, useEffect, useRef, useState } from "react";

import type { SearchHit } from "@/shared/api/wire";
import { useClient } from "@/shared/client";
import { useValue } from "@/shared/store";
import type { FounderState } from "@/shared/streams/founder-state";

export interface Search {
  hits: readonly SearchHit[];
  state: "loading" | "ready" | "failed";
  loadMore: (() => void) | null;
}

interface Found extends Omit<Search, "loadMore"> {
  nextCursor: string | null;
}

const TYPING_MS = 200;
const NOTHING_YET: Found = { hits: [], state: "loading", nextCursor: null };

export function useSearch(query: string): Search {
  const { rest, streams } = useClient();
  const founder = useValue(streams.founder);
  const [found, setFound] = useState(NOTHING_YET);
  /** Asking anew keeps the pages that were opened. */
  const wanted = useRef(0);
  const ask = useCallback(
    async (signal?: AbortSignal) => {
      try {
        const hits: SearchHit[] = [];
        let cursor: string | null = null;
        do {
          const page = await rest.search(query, cursor, signal);
          hits.push(...page.hits);
          cursor = page.next_cursor;
        } while (cursor !== null && hits.length < wanted.current);
        setFound({ hits, state: "ready", nextCursor: cursor });
      } catch {
        if (!signal?.aborted) setFound({ ...NOTHING_YET, state: "failed" });
      }
    },
    [rest, query],
  );
  useEffect(() => {
    wanted.current = 0;
  }, [query]);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => void ask(abort.signal), TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
    // A new `seq` says that a title may have changed, or that something was said.
  }, [ask, founder.seq]);
  const loadMore = () => {
    wanted.current = found.hits.length + 1;
    void ask();
  };
  return {
    hits: currentHits(found.hits, founder),
    state: found.state,
    loadMore: found.nextCursor === null ? null : loadMore,
  };
}

/** What the stream said since is newer than what was found. */
function currentHits(hits: readonly SearchHit[], founder: FounderState): SearchHit[] {
  const { sessions, deletedIds } = founder;
  return hits
    .filter(({ session }) => !deletedIds.has(session.session_id))
    .map(({ session, message }) => ({
      session: sessions.get(session.session_id) ?? session,
      message,
    }));
}
