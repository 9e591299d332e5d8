/**
 * Parts of the page that are not needed for its beginning.
 *
 * They are fetched when there is nothing else to do, so that who loses the network
 * later has them, and in any case when they are first used. A part that cannot be
 * had costs nothing but itself, and is asked for again at its next use.
 */
import { type ComponentType, type ReactNode, useEffect, useState } from "react";

interface LatePartOptions<Props> {
  load: () => Promise<ComponentType<Props>>;
  /** Keeps the place of the part. */
  Waiting?: () => ReactNode;
  /** Says that the part cannot be had. */
  Failed: ComponentType<Props>;
}

const IDLE_AFTER_MS = 2_000;
const fetchers: (() => Promise<void>)[] = [];

export function latePart<Props extends object>(
  options: LatePartOptions<Props>,
): ComponentType<Props> {
  const { load, Waiting, Failed } = options;
  let Part: ComponentType<Props> | null = null;
  const fetchPart = async () => {
    Part ??= await load();
  };
  fetchers.push(fetchPart);
  return function LatePart(props: Props): ReactNode {
    const [, setIsHere] = useState(Part !== null);
    const [hasFailed, setHasFailed] = useState(false);
    useEffect(() => {
      let isWanted = true;
      fetchPart().then(
        () => isWanted && setIsHere(true),
        () => isWanted && setHasFailed(true),
      );
      return () => {
        isWanted = false;
      };
    }, []);
    if (Part !== null) return <Part {...props} />;
    if (hasFailed) return <Failed {...props} />;
    return Waiting ? <Waiting /> : null;
  };
}

/** Fetches every part once the page has come to rest. */
export function fetchLateParts(): void {
  setTimeout(() => {
    // What fails now is asked for again when it is used.
    for (const fetchPart of fetchers) fetchPart().catch(() => {});
  }, IDLE_AFTER_MS);
}
