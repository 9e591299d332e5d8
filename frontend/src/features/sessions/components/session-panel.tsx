/** The founder's sessions: find one, begin one. */
import { type ReactNode, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import type { SessionView } from "@/shared/api/wire";
import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { navigate, useSessionId } from "@/shared/navigation";
import { useValue } from "@/shared/store";
import { Icon, Mark } from "@/shared/ui/icon";
import { IconButton } from "@/shared/ui/icon-button";
import { showToast } from "@/shared/ui/toasts";

import { groupedByDay, useSessionList } from "../model/session-list";
import { SessionItem } from "./session-item";
import styles from "./session-panel.module.css";

interface SessionPanelProps {
  /** Told when a founder went somewhere: a drawer then closes. */
  onLeave: () => void;
  /** Stands at the end of the panel's head. */
  trailing?: ReactNode;
  /** Stands below the list. */
  foot?: ReactNode;
  /** What is shown for words looked for, in place of the list. */
  results: (search: PanelSearch) => ReactNode;
}

export interface PanelSearch {
  query: string;
  renderSession: (session: SessionView) => ReactNode;
  onLeave: () => void;
}

export function SessionPanel({ onLeave, trailing, foot, results }: SessionPanelProps): ReactNode {
  const [search, setSearch] = useState("");
  const [isArchive, setIsArchive] = useState(false);
  const query = search.trim();
  const currentId = useSessionId();
  const renderSession = (session: SessionView) => (
    <SessionItem
      key={session.session_id}
      session={session}
      isCurrent={session.session_id === currentId}
      onLeave={onLeave}
    />
  );
  const goHome = () => {
    navigate("/");
    onLeave();
  };
  return (
    <div className={styles["panel"]}>
      <div className={styles["head"]}>
        <button type="button" className={styles["brand"]} onClick={goHome}>
          <Mark size={30} />
          <span>{texts.product}</span>
        </button>
        {trailing}
      </div>
      <NewSession onLeave={onLeave} />
      <Search value={search} onChange={setSearch} />
      {query === "" || isArchive ? (
        <List isArchive={isArchive} search={query} onLeave={onLeave} />
      ) : (
        results({ query, renderSession, onLeave })
      )}
      <div className={styles["foot"]}>
        <button
          type="button"
          className={styles["archive"]}
          aria-pressed={isArchive}
          onClick={() => setIsArchive(!isArchive)}
        >
          <Icon name={isArchive ? "arrowLeft" : "archive"} size={16} />
          {isArchive ? texts.sessions.backToList : texts.sessions.showArchive}
        </button>
        {foot}
      </div>
    </div>
  );
}

function NewSession({ onLeave }: { onLeave: () => void }): ReactNode {
  const { starts } = useClient();
  const isStarting = useValue(starts) !== null;
  const start = async () => {
    try {
      await starts.begin(null);
      onLeave();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      showToast(refusalText(error));
    }
  };
  return (
    <button
      type="button"
      className={styles["new"]}
      disabled={isStarting}
      onClick={() => void start()}
    >
      <Icon name="plus" />
      {texts.sessions.new}
    </button>
  );
}

interface SearchProps {
  value: string;
  onChange: (value: string) => void;
}

function Search({ value, onChange }: SearchProps): ReactNode {
  return (
    <search className={styles["search"]}>
      <Icon name="search" size={16} />
      <input
        type="search"
        value={value}
        maxLength={120}
        aria-label={texts.sessions.search}
        placeholder={texts.sessions.search}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && value !== "") {
            event.stopPropagation();
            onChange("");
          }
        }}
      />
      {value !== "" && (
        <IconButton
          icon="close"
          size={14}
          label={texts.sessions.clearSearch}
          onClick={() => onChange("")}
        />
      )}
    </search>
  );
}

interface ListProps {
  isArchive: boolean;
  search: string;
  onLeave: () => void;
}

function List({ isArchive, search, onLeave }: ListProps): ReactNode {
  const currentId = useSessionId();
  const { sessions, state, loadMore } = useSessionList({ isArchive, search });
  return (
    <nav className={styles["list"]} aria-label={isArchive ? texts.sessions.showArchive : texts.sessions.list}>
      {state === "loading" && <p className={styles["note"]}>{texts.sessions.loading}</p>}
      {state === "failed" && <p className={styles["note"]}>{texts.sessions.failed}</p>}
      {state === "ready" && sessions.length === 0 && (
        <p className={styles["note"]}>{emptyText(isArchive, search)}</p>
      )}
      {groupedByDay(sessions).map((group) => (
        <section key={group.title} aria-label={group.title}>
          <h2>{group.title}</h2>
          <ul>
            {group.sessions.map((session) => (
              <SessionItem
                key={session.session_id}
                session={session}
                isCurrent={session.session_id === currentId}
                onLeave={onLeave}
              />
            ))}
          </ul>
        </section>
      ))}
      {loadMore && (
        <button type="button" className={styles["more"]} onClick={loadMore}>
          {texts.sessions.loadMore}
        </button>
      )}
    </nav>
  );
}

function emptyText(isArchive: boolean, search: string): string {
  if (search !== "") return texts.sessions.noMatch(search);
  return isArchive ? texts.sessions.noArchived : texts.sessions.none;
}
