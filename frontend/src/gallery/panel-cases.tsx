/** The list of sessions, what is found in it and what stands below it. */
import type { ReactNode } from "react";

import { LanguageChoice } from "@/app/language-choice";
import { PanelFoot } from "@/app/panel-foot";
import { panelSearch } from "@/app/panel-search";
import { ThemeButton } from "@/app/theme-button";
import { SearchResults } from "@/features/search/components/search-results";
import { SessionItem } from "@/features/sessions/components/session-item";
import { SessionPanel } from "@/features/sessions/components/session-panel";
import type { SearchHit, SessionView } from "@/shared/api/wire";
import type { Client } from "@/shared/client";
import { messageView, sessionView } from "@/test/chat-harness";

import { type Answer, Case, doNothing, OnClient, Row, Screen } from "./case";
import styles from "./gallery.module.css";

const LONG = "A title that is much longer than the place there is for it";
const HOURS_AGO = [1, 2, 26, 90, 900];

const sessions: SessionView[] = HOURS_AGO.map((hours, index) =>
  sessionView({
    session_id: `s${index}`,
    title: ["A title", LONG, "כותרת", "", "Older"][index] ?? "",
    pinned: index === 0,
    updated_at: new Date(Date.now() - hours * 3_600_000).toISOString(),
  }),
);

export function PanelCases(): ReactNode {
  return (
    <>
      <Case name="sessions">
        <ul className={styles["panel"]}>
          {sessions.map((session, index) => (
            <SessionItem
              key={session.session_id}
              session={session}
              isCurrent={index === 1}
              onLeave={doNothing}
            />
          ))}
        </ul>
      </Case>
      <Panel name="loading" prepare={doNothing} />
      <Panel name="nothing yet" prepare={(client) => tellSessions(client, [])} />
      <Panel name="sessions, and more" prepare={(client) => tellSessions(client, sessions)} />
      {Object.entries(SEARCHES).map(([name, answer]) => (
        <Search key={name} name={name} {...(answer && { answer })} />
      ))}
      <Case name="language and colours">
        <Row>
          <span className={styles["panel"]}>
            <LanguageChoice />
          </span>
          <ThemeButton />
        </Row>
      </Case>
    </>
  );
}

interface PanelProps {
  name: string;
  prepare: (client: Client) => void;
}

function Panel({ name, prepare }: PanelProps): ReactNode {
  return (
    <Case name={`panel: ${name}`}>
      <OnClient prepare={prepare}>
        <Screen>
          <SessionPanel onLeave={doNothing} foot={<PanelFoot />} results={panelSearch} />
        </Screen>
      </OnClient>
    </Case>
  );
}

function tellSessions({ streams }: Client, views: readonly SessionView[]): void {
  streams.founder.change((state) => ({
    ...state,
    phase: "live",
    sessions: new Map(views.map((view) => [view.session_id, view])),
    nextCursor: views.length > 0 ? "more" : null,
  }));
}

const parts = [
  { text: "Who waits for ", is_match: false },
  { text: "lunch", is_match: true },
  { text: "? כולם", is_match: false },
];

const hits = [
  { session: sessions[1], message: null },
  ...[1, 2].map((number) => ({
    session: sessions[number],
    message: { ...messageView(number), snippet: parts },
  })),
] as SearchHit[];

const SEARCHES: Record<string, Answer | null> = {
  "still searching": null,
  found: () => Response.json({ hits, next_cursor: "more" }),
  "nothing found": () => Response.json({ hits: [], next_cursor: null }),
  failed: () => Response.json({ code: "store_unavailable" }, { status: 503 }),
};

function Search({ name, answer }: { name: string; answer?: Answer }): ReactNode {
  return (
    <Case name={`search: ${name}`}>
      <OnClient {...(answer && { answer })}>
        <div className={styles["panel"]}>
          <SearchResults
            query="lunch"
            renderSession={(session) => (
              <SessionItem
                key={session.session_id}
                session={session}
                isCurrent={false}
                onLeave={doNothing}
              />
            )}
            onLeave={doNothing}
          />
        </div>
      </OnClient>
    </Case>
  );
}
