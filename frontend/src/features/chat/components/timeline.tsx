/** The talk: only what is near the window exists, the end stays in view. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { en } from "@/shared/i18n/en";
import { useStore, useValue } from "@/shared/store";
import type { SessionState } from "@/shared/streams/session-state";
import { Button } from "@/shared/ui/button";
import { Icon } from "@/shared/ui/icon";

import { useChat, useRows, useSession } from "../model/chat";
import type { OutboxState } from "../model/outbox";
import type { Row } from "../model/rows";
import { ActivityRow } from "./activity-row";
import { CoachRow } from "./coach-row";
import { EndingRow } from "./ending-row";
import { FounderRow } from "./founder-row";
import { SuggestionsRow } from "./suggestions-row";
import { SupersededRow } from "./superseded-row";
import styles from "./timeline.module.css";

const AT_END_PX = 48;
const AWAY_PX = 160;
const LOAD_OLDER_PX = 600;

export function Timeline(): ReactNode {
  const chat = useChat();
  const rows = useRows();
  const scroller = useRef<HTMLDivElement>(null);
  const [isAway, setIsAway] = useState(false);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    estimateSize: () => 120,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: AT_END_PX,
    overscan: 6,
    paddingStart: 24,
    paddingEnd: 28,
  });

  // A row at the end may also give way to another: who was there stays there.
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    if (isAtEnd.current && rows.length > 0) virtualizer.scrollToEnd();
  }, [rows, virtualizer]);

  // Who sends wants to see what they sent.
  const sentCount = useStore(chat.outbox, countMessages);
  const lastSentCount = useRef(sentCount);
  useEffect(() => {
    if (sentCount > lastSentCount.current) virtualizer.scrollToEnd();
    lastSentCount.current = sentCount;
  }, [sentCount, virtualizer]);

  const look = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    setIsAway(below > AWAY_PX);
    isAtEnd.current = below <= AT_END_PX;
    if (element.scrollTop < LOAD_OLDER_PX && chat.history.get() === "idle") {
      void chat.loadOlder();
    }
  }, [chat]);
  useEffect(look, [look, rows]);

  return (
    <div className={styles["frame"]}>
      <HistoryLine />
      {/* oxlint-disable jsx-a11y/no-noninteractive-tabindex -- a scrollable region needs focus */}
      <div
        ref={scroller}
        className={styles["scroller"]}
        role="log"
        aria-live="off"
        aria-label={en.chat.timeline}
        tabIndex={0}
        data-testid="timeline"
        onScroll={look}
        onWheel={(event) => {
          // Who turns the wheel upwards is leaving, before the scroll tells.
          if (event.deltaY < 0) isAtEnd.current = false;
        }}
      >
        <div className={styles["sizer"]} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const row = rows[item.index];
            return (
              row && (
                <div
                  key={row.key}
                  ref={virtualizer.measureElement}
                  data-index={item.index}
                  className={styles["item"]}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  <RowView row={row} />
                </div>
              )
            );
          })}
        </div>
      </div>
      {isAway && (
        <Button
          className={styles["jump"]}
          icon="arrowDown"
          onClick={() => virtualizer.scrollToEnd({ behavior: "smooth" })}
        >
          {en.chat.jump}
        </Button>
      )}
    </div>
  );
}

function RowView({ row }: { row: Row }): ReactNode {
  switch (row.kind) {
    case "founder":
      return <FounderRow messageId={row.messageId} requestId={row.requestId} />;
    case "coach":
      return <CoachRow messageId={row.messageId} />;
    case "superseded":
      return <SupersededRow messageIds={row.messageIds} />;
    case "activity":
      return <ActivityRow runId={row.runId} />;
    case "ending":
      return <EndingRow runId={row.runId} />;
    case "suggestions":
      return <SuggestionsRow messageId={row.messageId} />;
  }
}

function HistoryLine(): ReactNode {
  const chat = useChat();
  const state = useValue(chat.history);
  const phase = useSession(phaseOf);
  if (phase === "loading") {
    return (
      <p className={styles["line"]}>
        <Icon name="clock" size={14} /> {en.chat.loading}
      </p>
    );
  }
  if (state === "idle") return null;
  return (
    <p className={styles["line"]}>
      {state === "loading" ? en.chat.loadingOlder : en.chat.olderFailed}
      {state === "failed" && (
        <Button icon="retry" onClick={() => void chat.loadOlder()}>
          {en.message.retry}
        </Button>
      )}
    </p>
  );
}

function phaseOf(state: SessionState): SessionState["phase"] {
  return state.phase;
}

function countMessages(state: OutboxState): number {
  return state.messages.length;
}
