/** Every component in every state, side by side: for development only. */
import { type ReactNode, useState } from "react";

import { doNothing, OnClient } from "./case";
import styles from "./gallery.module.css";
import { LinkCases } from "./link-cases";
import { PanelCases } from "./panel-cases";
import { ScreenCases } from "./screen-cases";
import { TalkCases } from "./talk-cases";
import { UiCases } from "./ui-cases";
import { WritingCases } from "./writing-cases";

const LOOKS = ["light", "dark"] as const;

export function Gallery(): ReactNode {
  useState(showInPlace);
  return (
    <main className={styles["page"]}>
      <h1>Gallery</h1>
      {LOOKS.map((look) => (
        <section key={look} className={styles["look"]} data-look={look} aria-label={look}>
          <OnClient>
            <UiCases />
            <TalkCases />
            <WritingCases />
            <PanelCases />
            <LinkCases />
            <ScreenCases />
          </OnClient>
        </section>
      ))}
    </main>
  );
}

/** What lies above the page would cover the other cases and take their focus away. */
function showInPlace(): void {
  HTMLDialogElement.prototype.showModal = HTMLDialogElement.prototype.show;
  HTMLElement.prototype.showPopover = doNothing;
}
