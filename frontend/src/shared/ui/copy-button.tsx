/** Copies a text and says so for a moment. */
import { type ReactNode, useEffect, useState } from "react";

import { texts } from "../i18n/texts";
import { copyText } from "./clipboard";
import { IconButton } from "./icon-button";
import { showToast } from "./toasts";

const CONFIRMED_MS = 1_600;

export function CopyButton({ text, label }: { text: string; label: string }): ReactNode {
  const [isCopied, setIsCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setIsCopied(false), CONFIRMED_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);

  const copy = async () => {
    const isTaken = await copyText(text);
    setIsCopied(isTaken);
    if (!isTaken) showToast(texts.message.copyFailed);
  };
  return (
    <IconButton
      icon={isCopied ? "check" : "copy"}
      label={isCopied ? texts.message.copied : label}
      size={16}
      onClick={() => void copy()}
    />
  );
}
