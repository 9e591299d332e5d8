/** What stands below the list of sessions: things of the whole page. */
import { type ReactNode, useEffect, useState } from "react";

import { texts } from "@/shared/i18n/texts";
import { Icon } from "@/shared/ui/icon";
import { latePart } from "@/shared/ui/late-part";
import { showToast } from "@/shared/ui/toasts";

import { LanguageChoice } from "./language-choice";
import styles from "./panel-foot.module.css";

const LinkDialog = latePart<LinkDialogProps>({
  load: async () => (await import("@/features/link/components/link-dialog")).LinkDialog,
  Failed: LinkFailed,
});

export function PanelFoot(): ReactNode {
  const [isLinking, setIsLinking] = useState(false);
  return (
    <div className={styles["foot"]}>
      <button
        type="button"
        className={styles["entry"]}
        aria-haspopup="dialog"
        onClick={() => setIsLinking(true)}
      >
        <Icon name="device" size={16} />
        {texts.link.open}
      </button>
      <LanguageChoice />
      {isLinking && <LinkDialog onClose={() => setIsLinking(false)} />}
    </div>
  );
}

interface LinkDialogProps {
  onClose: () => void;
}

function LinkFailed({ onClose }: LinkDialogProps): ReactNode {
  useEffect(() => {
    showToast(`${texts.link.failed} ${texts.errors.byCode.unreachable[1]}`);
    onClose();
  }, [onClose]);
  return null;
}
