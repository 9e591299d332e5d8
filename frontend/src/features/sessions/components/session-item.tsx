/** One session of the list, with what can be done to it. */
import { memo, type MouseEvent, type ReactNode, useRef, useState } from "react";
import { flushSync } from "react-dom";

import type { SessionView } from "@/shared/api/wire";
import { en } from "@/shared/i18n/en";
import { navigate, sessionPath } from "@/shared/navigation";
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

export const SessionItem = memo(function SessionItem(props: SessionItemProps) {
  const { session, isCurrent, onLeave } = props;
  const send = useSessionCommand();
  const [isRenaming, setIsRenaming] = useState(false);
  const [isDeleting, setIsDeleting] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const title = session.title || en.sessions.untitled;
  const target = { session_id: session.session_id };

  const update = (change: { title: string } | { archived: boolean }) =>
    void send({ type: "session.update", request_id: newRequestId(), ...target, ...change });
  const remove = async () => {
    const isDone = await send({ type: "session.delete", request_id: newRequestId(), ...target });
    if (!isDone) return;
    showToast(en.sessions.deleted);
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
        aria-current={isCurrent ? "page" : undefined}
        onClick={(event) => {
          if (followInPage(event)) onLeave();
        }}
      >
        {title}
      </a>
      <Menu
        icon="more"
        label={en.sessions.actions(title)}
        items={[
          { label: en.sessions.rename, icon: "edit", onSelect: () => setIsRenaming(true) },
          {
            label: session.archived ? en.sessions.unarchiveAction : en.sessions.archiveAction,
            icon: "archive",
            onSelect: () => update({ archived: !session.archived }),
          },
          {
            label: en.sessions.deleteAction,
            icon: "trash",
            isDangerous: true,
            onSelect: () => setIsDeleting(true),
          },
        ]}
      />
      {isDeleting && (
        <ConfirmDialog
          title={en.sessions.deleteTitle}
          text={en.sessions.deleteText(title)}
          action={en.sessions.delete}
          onConfirm={() => void remove()}
          onClose={() => setIsDeleting(false)}
        />
      )}
    </li>
  );
});

/** A plain click stays in the page; any other is the browser's. */
function followInPage(event: MouseEvent<HTMLAnchorElement>): boolean {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return false;
  event.preventDefault();
  navigate(new URL(event.currentTarget.href).pathname);
  return true;
}

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
      value={value}
      maxLength={120}
      aria-label={en.sessions.renameLabel}
      // oxlint-disable-next-line jsx-a11y/no-autofocus -- it took the place of what had the focus
      autoFocus
      onFocus={(event) => event.target.select()}
      onChange={(event) => setValue(event.target.value)}
      onBlur={() => close(true, false)}
      onKeyDown={(event) => {
        if (event.nativeEvent.isComposing) return;
        if (event.key === "Enter") close(true, true);
        if (event.key === "Escape") {
          event.stopPropagation();
          close(false, true);
        }
      }}
    />
  );
}
