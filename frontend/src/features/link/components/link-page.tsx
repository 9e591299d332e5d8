/** Where a link from another device leads: asks, then opens its sessions here. */
import { type ReactNode, useEffect, useState } from "react";

import { refusalText } from "@/shared/advice";
import { CommandError } from "@/shared/api/command-error";
import { hasHadFounder, tellFounderChanged } from "@/shared/api/founder";
import { useClient } from "@/shared/client";
import { texts } from "@/shared/i18n/texts";
import { Button } from "@/shared/ui/button";
import { Mark } from "@/shared/ui/icon";

import { forgetLinkToken, linkToken } from "../model/link-token";
import styles from "./link-page.module.css";

type RedeemState = "asking" | "redeeming" | "broken" | { failure: string };

export function LinkPage(): ReactNode {
  const { rest } = useClient();
  const [link] = useState(linkToken);
  const [state, setState] = useState<RedeemState>(link === null ? "broken" : "asking");

  const redeem = async () => {
    if (link === null) return;
    setState("redeeming");
    try {
      await rest.redeemLink(link.requestId, link.token);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (error.code === "link_invalid" || error.status === 422) {
        forgetLinkToken();
        setState("broken");
      } else {
        setState({ failure: error.isUnreachable ? texts.link.unreachable : refusalText(error) });
      }
      return;
    }
    tellFounderChanged();
    leave();
  };

  if (state === "broken") {
    return (
      <Frame title={texts.link.brokenTitle}>
        <p role="alert">{texts.link.brokenText}</p>
        <div className={styles["actions"]}>
          <Button look="primary" onClick={leave}>
            {texts.chat.backHome}
          </Button>
        </div>
      </Frame>
    );
  }
  const isRedeeming = state === "redeeming";
  return (
    <Frame title={texts.link.redeemTitle}>
      <p>{texts.link.redeemText}</p>
      <StayBehind />
      {typeof state === "object" && (
        <p className={styles["failure"]} role="alert">
          {state.failure}
        </p>
      )}
      <div className={styles["actions"]}>
        <Button onClick={leave} disabled={isRedeeming}>
          {texts.link.keepOwn}
        </Button>
        <Button look="primary" disabled={isRedeeming} onClick={() => void redeem()}>
          {isRedeeming ? texts.link.redeeming : texts.link.redeem}
        </Button>
      </div>
    </Frame>
  );
}

function Frame({ title, children }: { title: string; children: ReactNode }): ReactNode {
  useEffect(() => {
    document.title = `${title} · ${texts.product}`;
  }, [title]);
  return (
    <main className={styles["page"]}>
      <div className={styles["card"]}>
        <Mark size={40} />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

/** What is lost from sight, said before it is. */
function StayBehind(): ReactNode {
  const { rest } = useClient();
  const [own, setOwn] = useState({ count: 0, hasMore: false });
  useEffect(() => {
    if (!hasHadFounder()) return;
    rest.sessions({}).then(
      (page) => setOwn({ count: page.sessions.length, hasMore: page.next_cursor !== null }),
      // A browser without a founder has nothing to leave behind.
      () => setOwn({ count: 0, hasMore: false }),
    );
  }, [rest]);
  if (own.count === 0) return null;
  return (
    <p className={styles["behind"]}>
      {own.hasMore ? texts.link.ownStayBehindMany : texts.link.ownStayBehind(own.count)}
    </p>
  );
}

/** Everything begins anew: nothing of the founder before is left on the page. */
function leave(): void {
  forgetLinkToken();
  location.replace("/");
}
