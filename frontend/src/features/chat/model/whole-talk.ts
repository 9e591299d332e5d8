/** Every message of a session, from the first on: what is printed. */
import type { Rest } from "@/shared/api/rest";
import type { MessageView } from "@/shared/api/wire";
import { messagesOf, type SessionState } from "@/shared/streams/session-state";

/** Adds the pages that were never opened; throws when one cannot be had. */
export async function wholeTalk(
  rest: Rest,
  sessionId: string,
  state: SessionState,
): Promise<MessageView[]> {
  const known = messagesOf(state);
  const older: MessageView[][] = [];
  let first = known[0];
  let hasMore = state.hasMore;
  while (hasMore && first !== undefined) {
    const page = await rest.messages(sessionId, first.seq);
    older.unshift(page.messages);
    first = page.messages[0];
    hasMore = page.has_more;
  }
  return [...older.flat(), ...known];
}
