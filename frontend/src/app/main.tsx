/** Starts the page. */
import "./tokens.css";
import "./base.css";

import { createRoot } from "react-dom/client";

import { ClientContext, createClient } from "@/shared/client";

import { App } from "./app";
import { ErrorBoundary } from "./error-boundary";
import { followTheme } from "./theme";

const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");

followTheme();
const client = createClient();
client.connection.start();
createRoot(root).render(
  <ErrorBoundary>
    <ClientContext value={client}>
      <App />
    </ClientContext>
  </ErrorBoundary>,
);
