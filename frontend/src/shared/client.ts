/** Everything that talks with the gateway, put together once per page. */
import { createContext, useContext } from "react";

import { ensureFounder } from "./api/founder";
import { Rest } from "./api/rest";
import { Commands } from "./socket/commands";
import { Connection } from "./socket/connection";
import { SessionStarts } from "./start-session";
import { Streams } from "./streams/streams";

export interface Client {
  rest: Rest;
  streams: Streams;
  connection: Connection;
  commands: Commands;
  starts: SessionStarts;
}

interface ClientOptions {
  /** Sends the first message of a session that was begun with one. */
  sendFirst: (client: Client, sessionId: string, text: string, requestId: string) => void;
}

export function createClient({ sendFirst }: ClientOptions): Client {
  const rest = new Rest();
  const streams = new Streams();
  const connection = new Connection({
    prepare: async (isRefused) => {
      if (!isRefused) return;
      const founder = await ensureFounder(rest);
      streams.followFounder(founder.stream);
    },
    cursors: () => streams.cursors(),
    openEventStreams: async () => {
      const { EventStreams } = await import("./socket/event-streams");
      return new EventStreams(rest) as unknown as WebSocket;
    },
    onFrame: (frame) => {
      commands.receive(frame);
      streams.receive(frame);
    },
  });
  const commands = new Commands(connection, rest);
  streams.attach(connection);
  const starts = new SessionStarts({
    commands,
    sendFirst: (...message) => sendFirst(client, ...message),
  });
  const client = { rest, streams, connection, commands, starts };
  return client;
}

export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw new Error("no client: render inside ClientContext");
  return client;
}
