/** The smallest parts. */
import { type ReactNode, useEffect } from "react";

import { ExportMenu } from "@/features/chat/components/export-menu";
import { Button } from "@/shared/ui/button";
import { ConfirmDialog } from "@/shared/ui/confirm-dialog";
import { CopyButton } from "@/shared/ui/copy-button";
import { Icon, type IconName, iconNames } from "@/shared/ui/icon";
import { IconButton } from "@/shared/ui/icon-button";
import { Menu } from "@/shared/ui/menu";
import { showToast, Toasts } from "@/shared/ui/toasts";

import { Case, doNothing, Pressed, Row, Stage } from "./case";

export function UiCases(): ReactNode {
  return (
    <>
      <Case name="buttons">
        <Buttons />
      </Case>
      <Case name="icons">
        <Row>
          {iconNames.map((name: IconName) => (
            <span key={name} title={name}>
              <Icon name={name} />
            </span>
          ))}
        </Row>
      </Case>
      <Case name="copy, copied">
        <Row>
          <CopyButton text="words" label="Copy words" />
          <Pressed name="Copy more words">
            <CopyButton text="more words" label="Copy more words" />
          </Pressed>
        </Row>
      </Case>
      <Case name="export">
        <ExportMenu sessionId="s" />
      </Case>
      <Case name="confirm">
        <Stage>
          <ConfirmDialog
            title="Delete this session?"
            text="“A-title-without-any-place-to-break-it-anywhere-at-all-in-it” will be gone."
            action="Delete"
            onConfirm={doNothing}
            onClose={doNothing}
          />
        </Stage>
      </Case>
      <Case name="toasts">
        <Stage>
          <LastingToasts />
        </Stage>
      </Case>
    </>
  );
}

function Buttons(): ReactNode {
  return (
    <Row>
      <Button>Plain</Button>
      <Button look="primary" icon="plus">
        Primary
      </Button>
      <Button look="danger">Danger</Button>
      <Button disabled>Disabled</Button>
      <IconButton icon="copy" label="Copy" />
      <IconButton icon="thumbUp" label="Pressed" aria-pressed />
      <Menu
        icon="more"
        label="More"
        items={[
          { label: "Rename", icon: "edit" },
          { label: "Delete", icon: "trash", isDangerous: true },
        ]}
      />
    </Row>
  );
}

const TOASTS = ["Session deleted", "The service could not be reached. Nothing you wrote is lost."];
const SAID_AGAIN_MS = 3_000;

/** Toasts leave by themselves: these are said again before they do. */
function LastingToasts(): ReactNode {
  useEffect(() => {
    const say = () => TOASTS.forEach(showToast);
    say();
    const timer = setInterval(say, SAID_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return <Toasts />;
}
