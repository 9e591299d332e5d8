/** Brings the message the address names into view, and says which row it is. */
import type { Virtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useState } from "react";

import { useMessageSeq } from "@/shared/navigation";
import type { SessionState } from "@/shared/streams/session-state";

import { useChat, useSession } from "../model/chat";
import type { Row } from "../model/rows";

/** Until then the rows around it may still learn their heights. */
const SETTLE_MS = 150;
const MARKED_MS = 6_000;

interface Opened {
  messageId: string;
  /** Until it was seen, whatever is learnt about heights brings it back. */
  isSought: boolean;
}

/** The key of the row to be marked; null when there is none. */
export function useOpenedMessage(
  rows: readonly Row[],
  virtualizer: Virtualizer<HTMLDivElement, Element>,
  onFound: () => void,
): string | null {
  const chat = useChat();
  const seq = useMessageSeq();
  const isReady = useSession(isLoaded);
  const [opened, setOpened] = useState<Opened | null>(null);
  useEffect(() => {
    if (seq === null || !isReady) return;
    let isWanted = true;
    void chat.open(seq).then((messageId) => {
      if (isWanted && messageId !== null) setOpened({ messageId, isSought: true });
    });
    return () => {
      isWanted = false;
    };
  }, [chat, seq, isReady]);

  const index = opened === null ? -1 : rows.findIndex((row) => isOf(row, opened.messageId));
  const key = rows[index]?.key ?? null;
  const isSought = opened?.isSought ?? false;
  useLayoutEffect(() => {
    if (!isSought || index < 0) return;
    onFound();
    virtualizer.scrollToIndex(index, { align: "center" });
  }, [isSought, index, virtualizer, onFound]);
  useEffect(() => {
    if (!isSought || key === null) return;
    const timer = setTimeout(() => {
      setOpened((current) => current && { ...current, isSought: false });
      const row = document.querySelector<HTMLElement>(`[data-row-key="${CSS.escape(key)}"]`);
      row?.focus({ preventScroll: true });
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [isSought, key]);
  useEffect(() => {
    if (isSought || key === null) return;
    const timer = setTimeout(() => setOpened(null), MARKED_MS);
    return () => clearTimeout(timer);
  }, [isSought, key]);
  return key;
}

function isOf(row: Row, messageId: string): boolean {
  if (row.kind === "superseded") return row.messageIds.includes(messageId);
  return (row.kind === "founder" || row.kind === "coach") && row.messageId === messageId;
}

function isLoaded(state: SessionState): boolean {
  return state.phase === "live" || state.phase === "replaying";
}
