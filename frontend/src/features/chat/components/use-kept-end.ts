/** Keeps the end of the talk in view where the place for the talk changes. */
import type { Virtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect } from "react";

/** A line above the composer, a longer draft and a phone's keyboard take place away. */
export function useKeptEnd(
  virtualizer: Virtualizer<HTMLDivElement, Element>,
  scroller: RefObject<HTMLDivElement | null>,
  isAtEnd: RefObject<boolean>,
): void {
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current && virtualizer.options.count > 0) virtualizer.scrollToEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [virtualizer, scroller, isAtEnd]);
}
