/**
 * What a founder is writing in one place, kept from the first letter on.
 *
 * Every open page writes an entry of its own: two tabs never overwrite each
 * other. Whoever opens the place next takes the newest entry over.
 */
import { newRequestId } from "@/shared/request-id";
import { readStored, writeStored } from "@/shared/storage";

/** Texts by who wrote them, the one written last at the end. */
type Entries = Record<string, string>;

export class Draft {
  readonly #key: string;
  readonly #writer = newRequestId();

  constructor(place: string) {
    this.#key = `vb.draft.${place}`;
  }

  /** The newest text somebody left here; from now on it is this page's. */
  takeOver(): string {
    const entries = this.#entries();
    const newest = Object.entries(entries).at(-1);
    if (newest === undefined) return "";
    const [writer, text] = newest;
    const { [writer]: _, ...others } = entries;
    this.#write(others, text);
    return text;
  }

  /** Lets go of what was said, whichever page wrote it. */
  forget(isSaid: (text: string) => boolean): void {
    const left = Object.entries(this.#entries()).filter(([, text]) => !isSaid(text));
    writeStored(this.#key, left.length === 0 ? null : Object.fromEntries(left));
  }

  keep(text: string): void {
    this.#write(this.#entries(), text);
  }

  #write(entries: Entries, text: string): void {
    // What this text goes on from need not be kept a second time.
    const others = Object.entries(entries).filter(
      ([writer, earlier]) => writer !== this.#writer && !isWithin(earlier, text),
    );
    const own: [string, string][] = text === "" ? [] : [[this.#writer, text]];
    const kept = [...others, ...own];
    writeStored(this.#key, kept.length === 0 ? null : Object.fromEntries(kept));
  }

  #entries(): Entries {
    return readStored(this.#key, isEntries) ?? {};
  }
}

function isWithin(earlier: string, text: string): boolean {
  return text !== "" && text.startsWith(earlier);
}

function isEntries(value: unknown): value is Entries {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((text) => typeof text === "string")
  );
}
