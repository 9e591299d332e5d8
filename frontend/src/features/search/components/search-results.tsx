/** What was found: sessions by their title, then what was said. */
import type { ReactNode } from "react";

import type { SearchHit, SessionView } from "@/shared/api/wire";
import { texts } from "@/shared/i18n/texts";
import { followInPage, messagePath } from "@/shared/navigation";
import { dayText } from "@/shared/time";

import { useSearch } from "../model/use-search";
import styles from "./search-results.module.css";

interface SearchResultsProps {
  query: string;
  /** A session as the list shows it, with what can be done to it. */
  renderSession: (session: SessionView) => ReactNode;
  /** Told when a founder went to a hit. */
  onLeave: () => void;
}

export function SearchResults({ query, renderSession, onLeave }: SearchResultsProps): ReactNode {
  const { hits, state, loadMore } = useSearch(query);
  const said = hits.flatMap(({ session, message }) => (message ? [{ session, message }] : []));
  const sessions = hits.filter(({ message }) => message === null);
  return (
    <nav className={styles["results"]} aria-label={texts.sessions.search}>
      <p className={hits.length > 0 ? "visually-hidden" : styles["note"]} role="status">
        {statusText(state, hits.length, query)}
      </p>
      {sessions.length > 0 && <ul>{sessions.map(({ session }) => renderSession(session))}</ul>}
      {said.length > 0 && (
        <section aria-label={texts.sessions.inMessages}>
          <h2>{texts.sessions.inMessages}</h2>
          <ul>
            {said.map((hit) => (
              <Said key={hit.message.message_id} hit={hit} onLeave={onLeave} />
            ))}
          </ul>
        </section>
      )}
      {loadMore && (
        <button type="button" className={styles["more"]} onClick={loadMore}>
          {texts.sessions.loadMoreHits}
        </button>
      )}
    </nav>
  );
}

interface SaidProps {
  hit: { session: SessionView; message: NonNullable<SearchHit["message"]> };
  onLeave: () => void;
}

function Said({ hit: { session, message }, onLeave }: SaidProps): ReactNode {
  const who = message.role === "coach" ? texts.product : texts.chat.you;
  return (
    <li>
      <a
        className={styles["hit"]}
        href={messagePath(session.session_id, message.seq)}
        data-message-hit={message.message_id}
        onClick={(event) => {
          if (followInPage(event)) onLeave();
        }}
      >
        <span className={styles["where"]} dir="auto">
          {session.title || texts.sessions.untitled}
        </span>
        <span className={styles["words"]} dir="auto">
          {message.snippet.map(({ text, is_match: isMatch }, index) =>
            // oxlint-disable-next-line react/no-array-index-key -- parts have no identity but their place
            isMatch ? <mark key={index}>{text}</mark> : <span key={index}>{text}</span>,
          )}
        </span>
        <span className={styles["when"]}>
          {who} · {dayText(message.created_at)}
        </span>
      </a>
    </li>
  );
}

function statusText(state: string, count: number, query: string): string {
  if (state === "failed") return texts.sessions.failed;
  if (state === "loading") return texts.sessions.searching;
  return count === 0 ? texts.sessions.noMatch(query) : texts.sessions.found(count);
}
