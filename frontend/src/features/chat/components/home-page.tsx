/** The start: an invitation to name a frustration. */
import { type ReactNode, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import type { SessionView } from "@/shared/api/wire";
import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { openSession } from "@/shared/start-session";
import { useValue } from "@/shared/store";
import { currentSessions } from "@/shared/streams/founder-state";
import { Button } from "@/shared/ui/button";
import { Icon } from "@/shared/ui/icon";
import { showToast } from "@/shared/ui/toasts";

import { Draft } from "../model/draft";
import { Composer } from "./composer";
import { ConnectionLine } from "./connection-line";
import { StorageLine } from "./storage-line";
import styles from "./home-page.module.css";

interface HomePageProps {
  leading?: ReactNode;
  trailing?: ReactNode;
}

export function HomePage({ leading, trailing }: HomePageProps): ReactNode {
  const client = useClient();
  const [kept] = useState(() => new Draft("home"));
  const [draft, setDraft] = useState(() => kept.takeOver());
  const isStarting = useValue(client.starts) !== null;
  const keepDraft = (text: string) => {
    setDraft(text);
    kept.keep(text);
  };
  const start = async (text: string | null) => {
    try {
      await client.starts.begin(text);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      showToast(refusalText(error));
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
          <p className={styles["eyebrow"]}>{texts.home.eyebrow}</p>
          <h1 id="home-headline">{texts.home.headline}</h1>
          <p className={styles["lead"]}>{texts.home.lead}</p>
          <div className={styles["composer"]}>
            <Composer
              text={draft}
              placeholder={texts.composer.homePlaceholder}
              onChange={keepDraft}
              onSend={(text) => void start(text)}
              isBusy={isStarting}
            />
            <ConnectionLine />
            <StorageLine />
          </div>
          <Examples isDisabled={isStarting} onChoose={(text) => void start(text)} />
          <div className={styles["more"]}>
            <Button disabled={isStarting} onClick={() => void start(null)}>
              {texts.home.coachFirst}
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
      <h2 className={styles["examplesTitle"]}>{texts.home.examplesTitle}</h2>
      <ul className={styles["examples"]}>
        {texts.home.examples.map(({ title, text }) => (
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
  const last = lastUsed(currentSessions(sessions));
  if (last === undefined) return null;
  return (
    <Button onClick={() => openSession(last.session_id)}>
      {texts.home.continueWith}: <bdi>{last.title || texts.sessions.untitled}</bdi>
      <Icon name="arrowUp" size={15} />
    </Button>
  );
}

/** Pinned sessions stand first in the list without having been used last. */
function lastUsed(sessions: readonly SessionView[]): SessionView | undefined {
  return sessions.toSorted((a, b) => b.updated_at.localeCompare(a.updated_at))[0];
}
