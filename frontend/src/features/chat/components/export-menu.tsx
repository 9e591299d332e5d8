/** Takes the talk out of the page: as a file, or on paper. */
import { type ReactNode, useCallback, useEffect, useState } from "react";

import { texts } from "@/shared/i18n/texts";
import { latePart } from "@/shared/ui/late-part";
import { Menu } from "@/shared/ui/menu";
import { showToast } from "@/shared/ui/toasts";

const PrintView = latePart<PrintViewProps>({
  load: async () => (await import("./print-view")).PrintView,
  Failed: PrintFailed,
});

export function ExportMenu({ sessionId }: { sessionId: string }): ReactNode {
  const [isPrinting, setIsPrinting] = useState(false);
  const startPrinting = useCallback(() => setIsPrinting(true), []);
  const endPrinting = useCallback(() => setIsPrinting(false), []);
  usePrintKeys(startPrinting);
  const address = `/v1/sessions/${sessionId}/export?format=`;
  return (
    <>
      <Menu
        label={texts.chat.export}
        icon="download"
        items={[
          { label: texts.chat.exportMarkdown, icon: "download", download: `${address}md` },
          { label: texts.chat.exportJson, icon: "download", download: `${address}json` },
          { label: texts.chat.print, icon: "print", onSelect: startPrinting },
        ]}
      />
      {isPrinting && <PrintView onDone={endPrinting} />}
    </>
  );
}

interface PrintViewProps {
  onDone: () => void;
}

function PrintFailed({ onDone }: PrintViewProps): ReactNode {
  useEffect(() => {
    showToast(texts.chat.printFailed);
    onDone();
  }, [onDone]);
  return null;
}

/** The browser's own way would print only what is in the window. */
function usePrintKeys(print: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isPrint = event.key.toLowerCase() === "p" && (event.ctrlKey || event.metaKey);
      if (!isPrint || event.shiftKey || event.altKey) return;
      event.preventDefault();
      print();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [print]);
}
