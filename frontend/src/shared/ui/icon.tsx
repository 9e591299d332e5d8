/** The page's icons: 20 × 20, drawn with one line width. */
import type { ReactNode } from "react";

const paths = {
  archive: "M3 5h14v3H3zM4.5 8v7.5h11V8M8 11h4",
  arrowDown: "M10 4v12M5 11l5 5 5-5",
  arrowLeft: "M16 10H4M9 5l-5 5 5 5",
  arrowUp: "M10 16V4M5 9l5-5 5 5",
  check: "M4 10.5l4 4 8-9",
  clock: "M10 3a7 7 0 100 14 7 7 0 000-14zM10 6.5V10l2.5 1.5",
  close: "M5 5l10 10M15 5L5 15",
  copy: "M7 7h9v9H7zM4 13V4h9",
  download: "M10 3v9M6 8.5l4 4 4-4M4 16h12",
  device: "M6 3h8v14H6zM9 14.5h2",
  edit: "M4 16l.8-3.6L13 4.2l2.8 2.8-8.2 8.2zM11.5 5.7l2.8 2.8",
  globe: "M10 3a7 7 0 100 14 7 7 0 000-14zM3 10h14M10 3c-5 4.5-5 9.5 0 14M10 3c5 4.5 5 9.5 0 14",
  menu: "M3 6h14M3 10h14M3 14h9",
  monitor: "M3 4h14v9H3zM8 16h4M10 13v3",
  moon: "M16 11.8A6.6 6.6 0 018.2 4 6.6 6.6 0 1016 11.8z",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  pin: "M7.5 3h5l-.7 5 2.7 3h-9l2.7-3zM10 11v6",
  plus: "M10 4v12M4 10h12",
  print: "M6 7V3h8v4M6 14H3.5V7h13v7H14M6 12h8v5H6z",
  retry: "M16 10a6 6 0 11-2-4.5M16 3v3.5h-3.5",
  search: "M9 4a5 5 0 100 10A5 5 0 009 4zM13 13l4 4",
  sun: "M10 7a3 3 0 100 6 3 3 0 000-6zM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.3l1.5 1.5M14.2 14.2l1.5 1.5M4.3 15.7l1.5-1.5M14.2 5.8l1.5-1.5",
  thumbDown: "M6 4v8M6 4h7.5l2 6.5a1 1 0 01-1 1.5H11v3a1.6 1.6 0 01-1.6 1.6L6 12M6 4H3.5v8H6",
  thumbUp: "M6 16V8M6 16h7.5l2-6.5a1 1 0 00-1-1.5H11V5a1.6 1.6 0 00-1.6-1.6L6 8M6 16H3.5V8H6",
  tool: "M11.5 6.5a3.5 3.5 0 014.3-3.3L13.5 5.5l1 1 2.3-2.3a3.5 3.5 0 01-4.6 4.4L6 14.8 4.2 13z",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.8 10h7.4l.8-10M8.5 9v4M11.5 9v4",
  warning: "M10 3.5l7 12.5H3zM10 8v4M10 14h.01",
} as const;

export type IconName = keyof typeof paths;

export const iconNames = Object.keys(paths) as IconName[];

export function Icon({ name, size = 18 }: { name: IconName; size?: number }): ReactNode {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2.4 : 1.6}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: a keyhole, for an idea is a key and a pain is the lock. */
export function Mark({ size = 32 }: { size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="10" fill="var(--accent)" />
      <circle cx="16" cy="12.5" r="5" fill="var(--on-accent)" />
      <path d="M16 14l4.2 10.5a1 1 0 01-.9 1.4h-6.6a1 1 0 01-.9-1.4z" fill="var(--on-accent)" />
    </svg>
  );
}
