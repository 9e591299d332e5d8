/** A link for another device: where it is made, and where it leads. */
import { type ReactNode, useState } from "react";

import { LinkDialog } from "@/features/link/components/link-dialog";
import { LinkPage } from "@/features/link/components/link-page";
import { QrCode } from "@/features/link/components/qr-code";
import { texts } from "@/shared/i18n/texts";

import { type Answer, Case, doNothing, OnClient, Pressed, Screen, Stage } from "./case";

const URL_OF_LINK = "https://ventures.example/link#a-secret-of-some-length-in-it";

function made(seconds: number): Response {
  const expiresAt = new Date(Date.now() + seconds * 1_000).toISOString();
  return Response.json({ url: URL_OF_LINK, expires_at: expiresAt });
}

function refused(code: string, status: number): Response {
  return Response.json({ code, detail: "", retryable: true }, { status });
}

const DIALOGS: Record<string, Answer | null> = {
  "being made": null,
  ready: () => made(600),
  expired: () => made(0),
  failed: () => refused("rate_limited", 429),
};

/** What the gateway says when the link is used; two sessions are there already. */
const PAGES: Record<string, Answer | null> = {
  "being used": null,
  "used up": () => refused("link_invalid", 404),
  "sessions stay behind, not reached": (path) =>
    path.includes("redeem")
      ? refused("store_unavailable", 503)
      : Response.json({ sessions: [{}, {}], next_cursor: null }),
};

export function LinkCases(): ReactNode {
  return (
    <>
      {Object.entries(DIALOGS).map(([name, answer]) => (
        <Case key={name} name={`link: ${name}`}>
          <OnClient {...(answer && { answer })}>
            <Stage>
              <LinkDialog onClose={doNothing} />
            </Stage>
          </OnClient>
        </Case>
      ))}
      <Case name="QR code">
        <QrCode text={URL_OF_LINK} label="QR code" />
      </Case>
      <Case name="link opened: asks">
        <Opened answer={null} />
      </Case>
      {Object.entries(PAGES).map(([name, answer]) => (
        <Case key={name} name={`link opened: ${name}`}>
          <Pressed name={texts.link.redeem}>
            <Opened answer={answer} />
          </Pressed>
        </Case>
      ))}
    </>
  );
}

/** The page of a browser that was opened with a link and had a founder before. */
function Opened({ answer }: { answer: Answer | null }): ReactNode {
  useState(() => {
    localStorage.setItem("vb.founder.minted", "true");
    sessionStorage.setItem("vb.link", JSON.stringify({ token: "t", requestId: "r" }));
  });
  return (
    <OnClient {...(answer && { answer })}>
      <Screen>
        <LinkPage />
      </Screen>
    </OnClient>
  );
}
