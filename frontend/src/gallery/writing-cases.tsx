/** Where a founder writes, and the calm lines beside it. */
import { type ReactNode, useEffect } from "react";

import { BranchLine } from "@/features/chat/components/branch-line";
import { Composer } from "@/features/chat/components/composer";
import { ConnectionLine } from "@/features/chat/components/connection-line";
import { StopButton } from "@/features/chat/components/stop-button";
import { StorageLine } from "@/features/chat/components/storage-line";
import { useChat } from "@/features/chat/model/chat";
import type { Client } from "@/shared/client";
import type { ConnectionStatus } from "@/shared/socket/connection";
import { isStorageKept } from "@/shared/storage";
import { sessionView, tell } from "@/test/chat-harness";
import { SESSION } from "@/test/events";

import { Case, doNothing, OnClient } from "./case";
import { runs } from "./talk";

const DRAFTS = {
  empty: "",
  words: "Two lines\nof words",
  "right to left": "שלום",
  "nearly too long": "word ".repeat(1_590),
  "too long": "word ".repeat(1_700),
};

export function WritingCases(): ReactNode {
  return (
    <>
      {Object.entries(DRAFTS).map(([name, text]) => (
        <Case key={name} name={`composer: ${name}`}>
          <Composer
            text={text}
            placeholder="Write to your coach…"
            onChange={doNothing}
            onSend={doNothing}
          />
        </Case>
      ))}
      <Case name="composer: busy">
        <Composer text="Words" placeholder="" isBusy onChange={doNothing} onSend={doNothing} />
      </Case>
      <Case name="stop">
        <OnClient prepare={isAtWork}>
          <StopButton />
        </OnClient>
      </Case>
      <Case name="stop: asked for">
        <OnClient prepare={isAtWork}>
          <Stopping />
        </OnClient>
      </Case>
      <Lines />
    </>
  );
}

function isAtWork({ streams }: Client): void {
  tell(streams.session(SESSION), { messages: [], runs });
}

function Stopping(): ReactNode {
  const { stopping } = useChat();
  useEffect(() => stopping.set(new Set(runs.map(({ run_id: id }) => id))), [stopping]);
  return <StopButton />;
}

const STATUSES: ConnectionStatus[] = [
  { state: "live", reason: "none" },
  { state: "connecting", reason: "none" },
  { state: "offline", reason: "none" },
  { state: "connecting", reason: "restarting" },
  { state: "offline", reason: "restarting" },
  { state: "connecting", reason: "too_many_tabs" },
  { state: "offline", reason: "refused" },
];

const SOURCE = "00000000-0000-4000-8000-000000000002";

function Lines(): ReactNode {
  return (
    <>
      {STATUSES.map((status) => (
        <Case key={`${status.state} ${status.reason}`} name={`connection: ${status.state}, ${status.reason}`}>
          <OnClient prepare={({ connection }) => connection.status.set(status)}>
            <ConnectionLine />
          </OnClient>
        </Case>
      ))}
      <Case name="storage: nothing is kept">
        <NothingKept />
      </Case>
      {["Lunch queues", ""].map((title, leftOut) => (
        <Case key={title} name={`branch: ${title || "of a session without a title"}`}>
          <OnClient prepare={(client) => branchOff(client, title, leftOut)}>
            <BranchLine />
          </OnClient>
        </Case>
      ))}
    </>
  );
}

function NothingKept(): ReactNode {
  useEffect(() => isStorageKept.set(false), []);
  return <StorageLine />;
}

function branchOff({ streams }: Client, title: string, leftOut: number): void {
  const source = { session_id: SOURCE, message_id: "m1", left_out: leftOut };
  tell(streams.session(SESSION), { messages: [], session: { branched_from: source } });
  const sessions = new Map([[SOURCE, sessionView({ session_id: SOURCE, title })]]);
  streams.founder.change((state) => ({ ...state, sessions }));
}
