/** Starts the page. */
import "./tokens.css";
import "./base.css";

import { lazy, Suspense } from "react";
import { createRoot } from "react-dom/client";

import { sendFirst } from "@/features/chat/model/outbox";
import { isLinkPath, takeLinkToken } from "@/features/link/model/link-token";
import { followFounderChanges } from "@/shared/api/founder";
import { ClientContext, createClient } from "@/shared/client";
import { followLanguage } from "@/shared/i18n/language";
import { keepFocus } from "@/shared/ui/kept-focus";
import { fetchLateParts } from "@/shared/ui/late-part";

import { App } from "./app";
import { ErrorBoundary } from "./error-boundary";
import { Localised } from "./localised";
import { followTheme } from "./theme";

const LinkPage = lazy(async () => {
  const { LinkPage: page } = await import("@/features/link/components/link-page");
  return { default: page };
});

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");

takeLinkToken();
followTheme();
keepFocus();
followFounderChanges();
const client = createClient({ sendFirst });
if (!isLinkPath(location.pathname)) {
  client.connection.start();
  client.starts.resume();
}
await followLanguage();
createRoot(root).render(
  <Localised>
    <ErrorBoundary>
      <ClientContext value={client}>
        <Suspense>{isLinkPath(location.pathname) ? <LinkPage /> : <App />}</Suspense>
      </ClientContext>
    </ErrorBoundary>
  </Localised>,
);
if (!isLinkPath(location.pathname)) fetchLateParts();
