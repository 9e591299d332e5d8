/** The talk: only what is near the window exists, the end stays in view. */
import { defaultRangeExtractor, type Range, useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { texts } from "@/shared/i18n/texts";
import { navigate, sessionPath } from "@/shared/navigation";
import { useStore, useValue } from "@/shared/store";
import type { SessionState } from "@/shared/streams/session-state";
import { Button } from "@/shared/ui/button";
import { Icon } from "@/shared/ui/icon";
import { useMedia } from "@/shared/use-media";

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
import { useKeptEnd } from "./use-kept-end";
import { useOpenedMessage } from "./use-opened-message";

const AT_END_PX = 48;
const AWAY_PX = 160;
const LOAD_OLDER_PX = 600;
const START_PX = 24;
/** Below the line that says that earlier messages could not be had, and its button. */
const START_BELOW_LINE_PX = 72;

export function Timeline(): ReactNode {
  const chat = useChat();
  const rows = useRows();
  const isCalm = useMedia("(prefers-reduced-motion: reduce)");
  const scroller = useRef<HTMLDivElement>(null);
  const [isAway, setIsAway] = useState(false);
  const isPast = useSession(isPastIn);
  const lacksOlder = useValue(chat.history) === "failed";
  // A row that is being used stays, however far it was scrolled away.
  const [usedKey, setUsedKey] = useState<string | null>(null);
  const usedIndex = usedKey === null ? -1 : rows.findIndex((row) => row.key === usedKey);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    estimateSize: () => 120,
    rangeExtractor: useCallback((range: Range) => withIndex(range, usedIndex), [usedIndex]),
    anchorTo: "end",
    followOnAppend: !isPast,
    scrollEndThreshold: AT_END_PX,
    overscan: 6,
    paddingStart: lacksOlder ? START_BELOW_LINE_PX : START_PX,
    paddingEnd: 28,
  });

  // A row at the end may also give way to another: who was there stays there.
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    if (isAtEnd.current && rows.length > 0) virtualizer.scrollToEnd();
  }, [rows, virtualizer]);
  useKeptEnd(virtualizer, scroller, isAtEnd);
  const leaveEnd = useCallback(() => {
    isAtEnd.current = false;
  }, []);
  const openedKey = useOpenedMessage(rows, virtualizer, leaveEnd);

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
    isAtEnd.current = below <= AT_END_PX && !isPast;
    if (chat.history.get() !== "idle") return;
    if (element.scrollTop < LOAD_OLDER_PX) void chat.loadOlder();
    if (isPast && below < LOAD_OLDER_PX) void chat.loadNewer();
  }, [chat, isPast]);
  useEffect(look, [look, rows]);

  const backToLatest = () => {
    isAtEnd.current = true;
    chat.backToLatest();
    navigate(sessionPath(chat.sessionId), { isReplacing: true });
  };
  return (
    <div className={styles["frame"]}>
      <HistoryLine />
      {/* oxlint-disable jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions -- a scrollable region needs focus and keys */}
      <div
        ref={scroller}
        className={styles["scroller"]}
        role="log"
        aria-live="off"
        aria-label={texts.chat.timeline}
        tabIndex={0}
        data-testid="timeline"
        onScroll={look}
        onFocus={(event) => setUsedKey(rowKeyOf(event.target))}
        onBlur={() => setUsedKey(null)}
        onKeyDown={(event) => {
          // The browser's own way there ends early when a row's height is learnt.
          if (event.target !== event.currentTarget) return;
          if (event.key === "Home") virtualizer.scrollToIndex(0, { align: "start" });
          else if (event.key === "End") virtualizer.scrollToEnd();
          else return;
          event.preventDefault();
        }}
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
                  data-row-key={row.key}
                  data-opened={row.key === openedKey || undefined}
                  tabIndex={row.key === openedKey ? -1 : undefined}
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
      {(isAway || isPast) && (
        <Button
          className={styles["jump"]}
          icon="arrowDown"
          onClick={() => {
            if (isPast) backToLatest();
            else virtualizer.scrollToEnd({ behavior: isCalm ? "auto" : "smooth" });
          }}
        >
          {isPast ? texts.chat.backToLatest : texts.chat.jump}
        </Button>
      )}
    </div>
  );
}

function withIndex(range: Range, index: number): number[] {
  const shown = defaultRangeExtractor(range);
  if (index < 0 || shown.includes(index)) return shown;
  return [...shown, index].toSorted((one, other) => one - other);
}

function rowKeyOf(target: EventTarget): string | null {
  const row = target instanceof Element ? target.closest<HTMLElement>("[data-row-key]") : null;
  return row?.dataset["rowKey"] ?? null;
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
        <Icon name="clock" size={14} /> {texts.chat.loading}
      </p>
    );
  }
  if (state === "idle") return null;
  const retry = () => void (state === "failed" ? chat.loadOlder() : chat.loadNewer());
  return (
    <p className={styles["line"]}>
      {historyText(state)}
      {state !== "loading" && (
        <Button icon="retry" onClick={retry}>
          {texts.message.retry}
        </Button>
      )}
    </p>
  );
}

function historyText(state: "loading" | "failed" | "newer_failed"): string {
  if (state === "loading") return texts.chat.loadingOlder;
  return state === "failed" ? texts.chat.olderFailed : texts.chat.newerFailed;
}

function isPastIn(state: SessionState): boolean {
  return state.past !== null;
}

function phaseOf(state: SessionState): SessionState["phase"] {
  return state.phase;
}

function countMessages(state: OutboxState): number {
  return state.messages.length;
}
