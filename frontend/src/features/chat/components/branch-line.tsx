/** Where a session that began as a copy comes from, as long as that is there. */
import type { ReactNode } from "react";

import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { followInPage, sessionPath } from "@/shared/navigation";
import { useStore } from "@/shared/store";
import type { SessionState } from "@/shared/streams/session-state";

import { useSession } from "../model/chat";
import styles from "./branch-line.module.css";

export function BranchLine(): ReactNode {
  const source = useSession(sourceOf);
  const { founder } = useClient().streams;
  const title = useStore(founder, ({ sessions }) => sessions.get(source?.session_id ?? "")?.title);
  const isDeleted = useStore(founder, ({ deletedIds }) => deletedIds.has(source?.session_id ?? ""));
  if (!source || isDeleted) return null;
  return (
    <p className={styles["line"]} data-testid="branched-from">
      {texts.chat.branchedFrom}{" "}
      <a href={sessionPath(source.session_id)} dir="auto" onClick={followInPage}>
        {title || texts.chat.untitledSource}
      </a>
      {source.left_out > 0 && ` · ${texts.chat.leftOut(source.left_out)}`}
    </p>
  );
}

function sourceOf(state: SessionState) {
  return state.session?.branched_from ?? null;
}
