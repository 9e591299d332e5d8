/** The page's frame: sessions beside the talk, or over it on a phone. */
import { type MouseEvent, type ReactNode, useState } from "react";

import { ChatPage } from "@/features/chat/components/chat-page";
import { HomePage } from "@/features/chat/components/home-page";
import { SessionPanel } from "@/features/sessions/components/session-panel";
import { texts } from "@/shared/i18n/texts";
import { useSessionId } from "@/shared/navigation";
import { IconButton } from "@/shared/ui/icon-button";
import { Announcer } from "@/shared/ui/announcer";
import { Toasts } from "@/shared/ui/toasts";
import { useMedia } from "@/shared/use-media";

import styles from "./app.module.css";
import { Drawer } from "./drawer";
import { PanelFoot } from "./panel-foot";
import { panelSearch } from "./panel-search";
import { ThemeButton } from "./theme-button";

export function App(): ReactNode {
  const sessionId = useSessionId();
  const isWide = useMedia("(width >= 56rem)");
  const [isDrawerOpen, setIsDrawerOpen] = useState(false);

  const leading = isWide ? null : (
    <IconButton
      icon="menu"
      label={texts.openNavigation}
      aria-expanded={isDrawerOpen}
      onClick={() => setIsDrawerOpen(true)}
    />
  );
  const trailing = <ThemeButton />;
  return (
    <div className={styles["frame"]}>
      <a className={styles["skip"]} href="#main" onClick={skipToComposer}>
        {texts.skipToComposer}
      </a>
      {isWide ? (
        <aside className={styles["side"]} aria-label={texts.navigation}>
          <SessionPanel onLeave={doNothing} foot={<PanelFoot />} results={panelSearch} />
        </aside>
      ) : (
        <Drawer isOpen={isDrawerOpen} onClose={() => setIsDrawerOpen(false)}>
          <SessionPanel
            onLeave={() => setIsDrawerOpen(false)}
            foot={<PanelFoot />}
            results={panelSearch}
            trailing={
              <IconButton
                icon="close"
                label={texts.closeNavigation}
                onClick={() => setIsDrawerOpen(false)}
              />
            }
          />
        </Drawer>
      )}
      <main id="main" tabIndex={-1} className={styles["main"]}>
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
      <Announcer />
      <Toasts />
    </div>
  );
}

/** Where there is nothing to write into, the link's own target will do. */
function skipToComposer(event: MouseEvent): void {
  const composer = document.querySelector<HTMLElement>("#composer");
  if (composer === null) return;
  event.preventDefault();
  composer.focus();
}

function doNothing(): void {}
