/** The founder's sessions: find one, begin one. */
import { type ReactNode, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import { useClient } from "@/shared/client";
import { en } from "@/shared/i18n/en";
import { openSession, startSession } from "@/shared/start-session";
import { navigate, useSessionId } from "@/shared/navigation";
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
}

export function SessionPanel({ onLeave, trailing }: SessionPanelProps): ReactNode {
  const [search, setSearch] = useState("");
  const [isArchive, setIsArchive] = useState(false);
  const goHome = () => {
    navigate("/");
    onLeave();
  };
  return (
    <div className={styles["panel"]}>
      <div className={styles["head"]}>
        <button type="button" className={styles["brand"]} onClick={goHome}>
          <Mark size={30} />
          <span>{en.product}</span>
        </button>
        {trailing}
      </div>
      <NewSession onLeave={onLeave} />
      <Search value={search} onChange={setSearch} />
      <List isArchive={isArchive} search={search.trim()} onLeave={onLeave} />
      <button
        type="button"
        className={styles["archive"]}
        aria-pressed={isArchive}
        onClick={() => setIsArchive(!isArchive)}
      >
        <Icon name={isArchive ? "arrowLeft" : "archive"} size={16} />
        {isArchive ? en.sessions.backToList : en.sessions.showArchive}
      </button>
    </div>
  );
}

function NewSession({ onLeave }: { onLeave: () => void }): ReactNode {
  const client = useClient();
  const [isStarting, setIsStarting] = useState(false);
  const start = async () => {
    setIsStarting(true);
    try {
      openSession(await startSession(client, { isCoachFirst: true }));
      onLeave();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      showToast(refusalText(error));
    } finally {
      setIsStarting(false);
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
      {en.sessions.new}
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
        aria-label={en.sessions.search}
        placeholder={en.sessions.search}
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
          label={en.sessions.clearSearch}
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
    <nav className={styles["list"]} aria-label={isArchive ? en.sessions.showArchive : en.sessions.list}>
      {state === "loading" && <p className={styles["note"]}>{en.sessions.loading}</p>}
      {state === "failed" && <p className={styles["note"]}>{en.sessions.failed}</p>}
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
          {en.sessions.loadMore}
        </button>
      )}
    </nav>
  );
}

function emptyText(isArchive: boolean, search: string): string {
  if (search !== "") return en.sessions.noMatch(search);
  return isArchive ? en.sessions.noArchived : en.sessions.none;
}
