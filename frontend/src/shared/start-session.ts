/** Begins a session and goes there. */
import type { Client } from "./client";
import { navigate, sessionPath } from "./navigation";
import { newRequestId } from "./request-id";

/** The coach speaks first unless the founder already has something to say. */
export async function startSession(
  client: Client,
  options: { isCoachFirst: boolean },
): Promise<string> {
  const result = await client.commands.send({
    type: "session.create",
    request_id: newRequestId(),
    opening: options.isCoachFirst,
  });
  const sessionId = result.session_id;
  if (!sessionId) throw new Error("the gateway named no session");
  return sessionId;
}

export function openSession(sessionId: string): void {
  navigate(sessionPath(sessionId));
}
