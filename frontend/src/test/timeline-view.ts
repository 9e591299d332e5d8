/** What a reader sees of the timeline, and when it has come to rest. */
export function below(scroller: HTMLElement): number {
  return Math.round(scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight);
}

export async function frames(count = 2): Promise<void> {
  for (let left = count; left > 0; left -= 1) {
    await new Promise((resolve) => {
      requestAnimationFrame(resolve);
    });
  }
}

/** What tells whether the list is still finding its rows and their heights. */
function shape(scroller: HTMLElement): string {
  const rows = [...scroller.querySelectorAll<HTMLElement>("[data-row-key]")];
  const keys = rows.map((row) => row.dataset["rowKey"]);
  return [scroller.scrollTop, scroller.scrollHeight, ...keys].join(" ");
}

/** Learnt heights move the list, which shows rows of unknown height: until none is left. */
export async function settled(scroller: HTMLElement): Promise<void> {
  let known = "";
  for (let calmFrames = 0; calmFrames < 5; calmFrames += 1) {
    await frames(1);
    const now = shape(scroller);
    if (now !== known) calmFrames = 0;
    known = now;
  }
}

/** The first row whose top is in view. */
export function anchorIn(scroller: HTMLElement): { id: string; top: () => number } {
  const edge = scroller.getBoundingClientRect().top;
  const rows = [...scroller.querySelectorAll<HTMLElement>("[data-message-id]")];
  const row = rows.find((element) => element.getBoundingClientRect().top >= edge);
  const id = row?.dataset["messageId"] ?? "";
  const top = () =>
    scroller.querySelector(`[data-message-id="${id}"]`)?.getBoundingClientRect().top ?? Number.NaN;
  return { id, top };
}
