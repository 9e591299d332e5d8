/** Everything that talks with the gateway, put together once per page. */
import { createContext, useContext } from "react";

import { ensureFounder } from "./api/founder";
import { Rest } from "./api/rest";
import { Commands } from "./socket/commands";
import { Connection } from "./socket/connection";
import { Streams } from "./streams/streams";

export interface Client {
  rest: Rest;
  streams: Streams;
  connection: Connection;
  commands: Commands;
}

export function createClient(): Client {
  const rest = new Rest();
  const streams = new Streams();
  const connection = new Connection({
    prepare: async (isRefused) => {
      if (!isRefused) return;
      const founder = await ensureFounder(rest);
      streams.followFounder(founder.stream);
    },
    cursors: () => streams.cursors(),
    onFrame: (frame) => {
      commands.receive(frame);
      streams.receive(frame);
    },
  });
  const commands = new Commands(connection, rest);
  streams.attach(connection);
  return { rest, streams, connection, commands };
}

export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw new Error("no client: render inside ClientContext");
  return client;
}
