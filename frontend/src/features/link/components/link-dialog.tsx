/** A link, also as a QR code, that opens these sessions on another device. */
import { type ReactNode, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import { useClient } from "@/shared/client";
import { gatewayNow } from "@/shared/gateway-clock";
import { texts } from "@/shared/i18n/texts";
import { newRequestId } from "@/shared/request-id";
import { countdownText } from "@/shared/time";
import { Button } from "@/shared/ui/button";
import { CopyButton } from "@/shared/ui/copy-button";
import { IconButton } from "@/shared/ui/icon-button";

import styles from "./link-dialog.module.css";
import { QrCode } from "./qr-code";

type LinkState =
  | { kind: "making" }
  | { kind: "ready"; url: string; expiresAt: number }
  | { kind: "expired" }
  | { kind: "failed"; reason: string };

/** Open as long as it is rendered; what it showed is forgotten with it. */
export function LinkDialog({ onClose }: { onClose: () => void }): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const { state, makeAgain, expire } = useLink();
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className={styles["dialog"]} aria-labelledby={id} onCancel={onClose}>
      <header>
        <h2 id={id}>{texts.link.title}</h2>
        <IconButton icon="close" label={texts.close} onClick={onClose} />
      </header>
      <p>{texts.link.text}</p>
      <div className={styles["body"]} aria-live="polite">
        {state.kind === "making" && <p>{texts.link.making}</p>}
        {state.kind === "ready" && <ReadyLink link={state} onExpire={expire} />}
        {state.kind === "expired" && <p>{texts.link.expired}</p>}
        {state.kind === "failed" && (
          <p>
            {texts.link.failed} {state.reason}
          </p>
        )}
        {(state.kind === "expired" || state.kind === "failed") && (
          <Button look="primary" icon="retry" onClick={makeAgain}>
            {texts.link.again}
          </Button>
        )}
      </div>
      <p className={styles["warning"]}>{texts.link.warning}</p>
    </dialog>
  );
}

function useLink() {
  const { rest } = useClient();
  const [state, setState] = useState<LinkState>({ kind: "making" });
  const isOpen = useRef(true);
  /** Kept while nobody answered, so that trying again makes no second link. */
  const requestId = useRef(newRequestId());

  const make = useCallback(async () => {
    let next: LinkState;
    try {
      const { url, expires_at } = await rest.createLink(requestId.current);
      requestId.current = newRequestId();
      next = { kind: "ready", url, expiresAt: Date.parse(expires_at) };
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      next = { kind: "failed", reason: refusalText(error) };
    }
    if (isOpen.current) setState(next);
  }, [rest]);
  useEffect(() => {
    isOpen.current = true;
    void make();
    return () => {
      isOpen.current = false;
    };
  }, [make]);
  const expire = useCallback(() => setState({ kind: "expired" }), []);
  const makeAgain = () => {
    setState({ kind: "making" });
    void make();
  };
  return { state, makeAgain, expire };
}

interface ReadyLinkProps {
  link: { url: string; expiresAt: number };
  onExpire: () => void;
}

function ReadyLink({ link, onExpire }: ReadyLinkProps): ReactNode {
  const [left, setLeft] = useState(() => link.expiresAt - gatewayNow());
  useEffect(() => {
    const timer = setInterval(() => {
      const now = link.expiresAt - gatewayNow();
      setLeft(now);
      if (now <= 0) onExpire();
    }, 1_000);
    return () => clearInterval(timer);
  }, [link, onExpire]);
  return (
    <>
      <QrCode text={link.url} label={texts.link.qr} />
      <div className={styles["address"]}>
        <input
          readOnly
          value={link.url}
          aria-label={texts.link.address}
          onFocus={(event) => event.target.select()}
        />
        <CopyButton text={link.url} label={texts.link.copy} />
      </div>
      {/* Every second would be too often for whoever listens. */}
      <p className={styles["left"]} aria-live="off" data-testid="link-expiry">
        {texts.link.expiresIn(countdownText(left))}
      </p>
    </>
  );
}
