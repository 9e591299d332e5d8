/** One session of the list, with what can be done to it. */
import { memo, type ReactNode, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";

import type { SessionView } from "@/shared/api/wire";
import { texts } from "@/shared/i18n/texts";
import { followInPage, navigate, sessionPath } from "@/shared/navigation";
import { newRequestId } from "@/shared/request-id";
import { ConfirmDialog } from "@/shared/ui/confirm-dialog";
import { Menu } from "@/shared/ui/menu";
import { showToast } from "@/shared/ui/toasts";

import { useSessionCommand } from "../model/session-list";
import styles from "./session-item.module.css";

interface SessionItemProps {
  session: SessionView;
  isCurrent: boolean;
  onLeave: () => void;
}

/** The item just pinned or unpinned: it moves, and the focus with it. */
let movedId: string | null = null;

export const SessionItem = memo(function SessionItem(props: SessionItemProps) {
  const { session, isCurrent, onLeave } = props;
  const send = useSessionCommand();
  const [isRenaming, setIsRenaming] = useState(false);
  const [isDeleting, setIsDeleting] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const title = session.title || texts.sessions.untitled;
  const target = { session_id: session.session_id };
  useEffect(() => {
    if (movedId !== session.session_id) return;
    movedId = null;
    link.current?.focus();
  }, [session.session_id]);

  const update = (change: { title: string } | { archived: boolean } | { pinned: boolean }) =>
    void send({ type: "session.update", request_id: newRequestId(), ...target, ...change });
  const remove = async () => {
    const isDone = await send({ type: "session.delete", request_id: newRequestId(), ...target });
    if (!isDone) return;
    showToast(texts.sessions.deleted);
    if (isCurrent) navigate("/", { isReplacing: true });
  };
  if (isRenaming) {
    return (
      <li className={styles["item"]}>
        <TitleInput
          title={session.title}
          onSave={(renamed) => update({ title: renamed })}
          onClose={(isByKeyboard) => {
            flushSync(() => setIsRenaming(false));
            if (isByKeyboard) link.current?.focus();
          }}
        />
      </li>
    );
  }
  return (
    <li className={styles["item"]} data-session-id={session.session_id}>
      <a
        ref={link}
        href={sessionPath(session.session_id)}
        dir="auto"
        aria-current={isCurrent ? "page" : undefined}
        onClick={(event) => {
          if (followInPage(event)) onLeave();
        }}
      >
        {title}
      </a>
      <Menu
        icon="more"
        label={texts.sessions.actions(title)}
        items={[
          {
            label: session.pinned ? texts.sessions.unpin : texts.sessions.pin,
            icon: "pin",
            onSelect: () => {
              movedId = session.session_id;
              update({ pinned: !session.pinned });
            },
          },
          { label: texts.sessions.rename, icon: "edit", onSelect: () => setIsRenaming(true) },
          {
            label: session.archived ? texts.sessions.unarchiveAction : texts.sessions.archiveAction,
            icon: "archive",
            onSelect: () => update({ archived: !session.archived }),
          },
          {
            label: texts.sessions.deleteAction,
            icon: "trash",
            isDangerous: true,
            onSelect: () => setIsDeleting(true),
          },
        ]}
      />
      {isDeleting && (
        <ConfirmDialog
          title={texts.sessions.deleteTitle}
          text={texts.sessions.deleteText(title)}
          action={texts.sessions.delete}
          onConfirm={() => void remove()}
          onClose={() => setIsDeleting(false)}
        />
      )}
    </li>
  );
});

interface TitleInputProps {
  title: string;
  onSave: (title: string) => void;
  onClose: (isByKeyboard: boolean) => void;
}

/** Enter and leaving save, Escape does not. */
function TitleInput({ title, onSave, onClose }: TitleInputProps): ReactNode {
  const [value, setValue] = useState(title);
  const isClosed = useRef(false);
  const close = (isSaved: boolean, isByKeyboard: boolean) => {
    // Going away takes the focus along, which is leaving once more.
    if (isClosed.current) return;
    isClosed.current = true;
    const renamed = value.trim();
    if (isSaved && renamed !== "" && renamed !== title) onSave(renamed);
    onClose(isByKeyboard);
  };
  return (
    <input
      className={styles["input"]}
      dir="auto"
      value={value}
      maxLength={120}
      aria-label={texts.sessions.renameLabel}
      // oxlint-disable-next-line jsx-a11y/no-autofocus -- it took the place of what had the focus
      autoFocus
      onFocus={(event) => event.target.select()}
      onChange={(event) => setValue(event.target.value)}
      onBlur={() => close(true, false)}
      onKeyDown={(event) => {
        // Some input methods say it by this key code alone.
        if (event.nativeEvent.isComposing || event.keyCode === 229) return;
        if (event.key === "Enter") close(true, true);
        if (event.key === "Escape") {
          event.stopPropagation();
          close(false, true);
        }
      }}
    />
  );
}
