/** The start: an invitation to name a frustration. */
import { type ReactNode, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import { useClient } from "@/shared/client";
import { en } from "@/shared/i18n/en";
import { openSession, startSession } from "@/shared/start-session";
import { readStored, writeStored } from "@/shared/storage";
import { useValue } from "@/shared/store";
import { currentSessions } from "@/shared/streams/founder-state";
import { Button } from "@/shared/ui/button";
import { Icon } from "@/shared/ui/icon";
import { showToast } from "@/shared/ui/toasts";

import { Outbox } from "../model/outbox";
import { Composer } from "./composer";
import { ConnectionLine } from "./connection-line";
import styles from "./home-page.module.css";

const DRAFT_KEY = "vb.draft.home";

interface HomePageProps {
  leading?: ReactNode;
  trailing?: ReactNode;
}

export function HomePage({ leading, trailing }: HomePageProps): ReactNode {
  const client = useClient();
  const [draft, setDraft] = useState(() => readStored(DRAFT_KEY, isText) ?? "");
  const [isStarting, setIsStarting] = useState(false);
  const keepDraft = (text: string) => {
    setDraft(text);
    writeStored(DRAFT_KEY, text || null);
  };
  const start = async (text: string | null) => {
    setIsStarting(true);
    try {
      const sessionId = await startSession(client, { isCoachFirst: text === null });
      if (text !== null) {
        // The session's own outbox takes over before the draft is let go.
        new Outbox(sessionId, client.commands).keepToSend(text);
        keepDraft("");
      }
      openSession(sessionId);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      showToast(refusalText(error));
      setIsStarting(false);
    }
  };
  return (
    <section className={styles["page"]} aria-labelledby="home-headline">
      <header className={styles["head"]}>
        {leading}
        <span className={styles["space"]} />
        {trailing}
      </header>
      <div className={styles["scroller"]}>
        <div className={styles["content"]}>
          <p className={styles["eyebrow"]}>{en.home.eyebrow}</p>
          <h1 id="home-headline">{en.home.headline}</h1>
          <p className={styles["lead"]}>{en.home.lead}</p>
          <div className={styles["composer"]}>
            <Composer
              text={draft}
              placeholder={en.composer.homePlaceholder}
              onChange={keepDraft}
              onSend={(text) => void start(text)}
              isBusy={isStarting}
            />
            <ConnectionLine />
          </div>
          <Examples isDisabled={isStarting} onChoose={(text) => void start(text)} />
          <div className={styles["more"]}>
            <Button disabled={isStarting} onClick={() => void start(null)}>
              {en.home.coachFirst}
            </Button>
            <LastSession />
          </div>
        </div>
      </div>
    </section>
  );
}

interface ExamplesProps {
  isDisabled: boolean;
  onChoose: (text: string) => void;
}

function Examples({ isDisabled, onChoose }: ExamplesProps): ReactNode {
  return (
    <>
      <h2 className={styles["examplesTitle"]}>{en.home.examplesTitle}</h2>
      <ul className={styles["examples"]}>
        {en.home.examples.map(({ title, text }) => (
          <li key={title}>
            <button type="button" disabled={isDisabled} onClick={() => onChoose(text)}>
              <strong>{title}</strong>
              <span>{text}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function LastSession(): ReactNode {
  const { streams } = useClient();
  const sessions = useValue(streams.founder);
  const last = currentSessions(sessions)[0];
  if (last === undefined) return null;
  return (
    <Button onClick={() => openSession(last.session_id)}>
      {en.home.continueWith}: {last.title || en.sessions.untitled}
      <Icon name="arrowUp" size={15} />
    </Button>
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
