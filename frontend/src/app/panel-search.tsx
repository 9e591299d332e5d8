/** Looking for words: a part of its own. */
import type { ReactNode } from "react";

import type { PanelSearch } from "@/features/sessions/components/session-panel";
import { texts } from "@/shared/i18n/texts";
import { latePart } from "@/shared/ui/late-part";

const SearchResults = latePart<PanelSearch>({
  load: async () => (await import("@/features/search/components/search-results")).SearchResults,
  Waiting: () => <div style={{ flex: 1 }} />,
  Failed: () => (
    <p role="alert" style={{ flex: 1, padding: "0.5rem" }}>
      {texts.sessions.failed}
    </p>
  ),
});

export function panelSearch(search: PanelSearch): ReactNode {
  return <SearchResults {...search} />;
}
