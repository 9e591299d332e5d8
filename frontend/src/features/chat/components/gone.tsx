/** Where a session was that is here no more, or never was. */
import { type ReactNode, useEffect, useRef } from "react";

import { texts } from "@/shared/i18n/texts";
import { navigate } from "@/shared/navigation";
import { Button } from "@/shared/ui/button";

import styles from "./gone.module.css";

export function Gone(): ReactNode {
  const wayOut = useRef<HTMLButtonElement>(null);
  // The composer took the focus with it, if it had it.
  useEffect(() => {
    if (document.activeElement === document.body) wayOut.current?.focus();
  }, []);
  return (
    <div className={styles["gone"]}>
      <h2>{texts.chat.gone}</h2>
      <p>{texts.chat.goneText}</p>
      <Button ref={wayOut} look="primary" onClick={() => navigate("/")}>
        {texts.chat.backHome}
      </Button>
    </div>
  );
}
