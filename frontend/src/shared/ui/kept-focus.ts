/**
 * Keeps the keyboard somewhere: what has the focus may vanish at any time, and
 * a browser then forgets where the founder was.
 */

const FOCUSABLE =
  "a[href], button:not(:disabled), input:not(:disabled), textarea:not(:disabled), summary, [tabindex='0']";

/** Watches the whole page; the result stops it. */
export function keepFocus(root: HTMLElement = document.body): () => void {
  let path: Element[] = [];
  const remember = (event: FocusEvent) => {
    path = event.target instanceof Element ? pathOf(event.target, root) : [];
  };
  const observer = new MutationObserver((records) => {
    const last = path[0];
    if (last === undefined || last.isConnected || !isLost()) return;
    const refuge = refugeFrom(path, gapOf(path, records), root);
    path = [];
    refuge?.focus({ preventScroll: true });
  });
  root.addEventListener("focusin", remember);
  observer.observe(root, { childList: true, subtree: true });
  return () => {
    root.removeEventListener("focusin", remember);
    observer.disconnect();
  };
}

function isLost(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}

/** The element and all it is in, up to the root. */
function pathOf(element: Element, root: HTMLElement): Element[] {
  const path: Element[] = [];
  for (let at: Element | null = element; at !== null && at !== root; at = at.parentElement) {
    path.push(at);
  }
  return path;
}

/** Where something was: in `parent`, between two others that are still there. */
interface Gap {
  parent: Element | null;
  previous: Node | null;
  next: Node | null;
}

/** The gap that what had the focus left when it, or what it was in, was removed. */
function gapOf(path: readonly Element[], records: readonly MutationRecord[]): Gap {
  const parent = path.find((element) => element.isConnected) ?? null;
  const removal = records.find(
    ({ target, removedNodes }) =>
      target === parent && path.some((element) => [...removedNodes].includes(element)),
  );
  if (removal === undefined) return { parent, previous: null, next: parent?.firstChild ?? null };
  return { parent, previous: removal.previousSibling, next: removal.nextSibling };
}

/** In the talk the composer; elsewhere the neighbour of what vanished. */
function refugeFrom(path: readonly Element[], gap: Gap, root: HTMLElement): HTMLElement | null {
  if (path.some((element) => element.tagName === "MAIN")) return talkRefuge();
  let { parent, previous, next } = gap;
  while (parent !== null && parent !== root) {
    const near =
      firstIn(next, (node) => node.nextSibling) ?? firstIn(previous, (node) => node.previousSibling);
    if (near !== null) return near.closest("main") === null ? near : talkRefuge();
    ({ previousSibling: previous, nextSibling: next, parentElement: parent } = parent);
  }
  return talkRefuge();
}

/** The first thing to focus in a node or in those that follow it in one direction. */
function firstIn(start: Node | null, step: (node: Node) => Node | null): HTMLElement | null {
  for (let node = start; node !== null; node = step(node)) {
    if (!(node instanceof HTMLElement)) continue;
    const within = [node, ...node.querySelectorAll<HTMLElement>(FOCUSABLE)];
    const near = within.find((element) => element.matches(FOCUSABLE) && isShown(element));
    if (near !== undefined) return near;
  }
  return null;
}

function talkRefuge(): HTMLElement | null {
  // On a phone the keyboard would cover what there is to read.
  const first = matchMedia("(pointer: fine)").matches ? "#composer" : "main [role=log]";
  return (
    document.querySelector<HTMLElement>(first) ??
    document.querySelector<HTMLElement>(`main :is(${FOCUSABLE})`)
  );
}

function isShown(element: HTMLElement): boolean {
  return element.getClientRects().length > 0;
}
