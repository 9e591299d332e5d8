/** The page's frame: sessions beside the talk, or over it on a phone. */
import { type ReactNode, useState } from "react";

import { ChatPage } from "@/features/chat/components/chat-page";
import { HomePage } from "@/features/chat/components/home-page";
import { SessionPanel } from "@/features/sessions/components/session-panel";
import { en } from "@/shared/i18n/en";
import { useSessionId } from "@/shared/navigation";
import { IconButton } from "@/shared/ui/icon-button";
import { Toasts } from "@/shared/ui/toasts";
import { useMedia } from "@/shared/use-media";

import styles from "./app.module.css";
import { Drawer } from "./drawer";
import { ThemeButton } from "./theme-button";

export function App(): ReactNode {
  const sessionId = useSessionId();
  const isWide = useMedia("(width >= 56rem)");
  const [isDrawerOpen, setIsDrawerOpen] = useState(false);

  const leading = isWide ? null : (
    <IconButton
      icon="menu"
      label={en.openNavigation}
      aria-expanded={isDrawerOpen}
      onClick={() => setIsDrawerOpen(true)}
    />
  );
  const trailing = <ThemeButton />;
  return (
    <div className={styles["frame"]}>
      <a className={styles["skip"]} href="#composer">
        {en.skipToComposer}
      </a>
      {isWide ? (
        <aside className={styles["side"]} aria-label={en.navigation}>
          <SessionPanel onLeave={doNothing} />
        </aside>
      ) : (
        <Drawer isOpen={isDrawerOpen} onClose={() => setIsDrawerOpen(false)}>
          <SessionPanel
            onLeave={() => setIsDrawerOpen(false)}
            trailing={
              <IconButton
                icon="close"
                label={en.closeNavigation}
                onClick={() => setIsDrawerOpen(false)}
              />
            }
          />
        </Drawer>
      )}
      <main className={styles["main"]}>
        {sessionId === null ? (
          <HomePage leading={leading} trailing={trailing} />
        ) : (
          <ChatPage
            key={sessionId}
            sessionId={sessionId}
            leading={leading}
            trailing={trailing}
          />
        )}
      </main>
      <Toasts />
    </div>
  );
}

function doNothing(): void {}
