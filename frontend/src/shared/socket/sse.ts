/** Takes server-sent events out of a body, however it was cut on its way. */

export interface Block {
  id: string | null;
  event: string;
  /** Null for a block of comments alone. */
  data: string | null;
}

export async function* blocksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Block> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      let end = text.indexOf("\n\n");
      while (end >= 0) {
        yield parsed(text.slice(0, end));
        text = text.slice(end + 2);
        end = text.indexOf("\n\n");
      }
    }
  } finally {
    reader.releaseLock();
  }
}

function parsed(lines: string): Block {
  const block: Block = { id: null, event: "message", data: null };
  for (const line of lines.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "id") block.id = value;
    else if (field === "event") block.event = value;
    else if (field === "data") {
      block.data = block.data === null ? value : `${block.data}\n${value}`;
    }
  }
  return block;
}
