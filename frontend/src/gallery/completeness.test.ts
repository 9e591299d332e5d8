import { expect, it } from "vitest";

/** None of them is loaded: their names are what counts. */
const COMPONENTS = import.meta.glob([
  "../app/*.tsx",
  "../features/*/components/*.tsx",
  "../shared/ui/*.tsx",
  "!../**/*.test.tsx",
]);

const GALLERY = import.meta.glob<string>(["./*.tsx", "!./*.test.tsx"], {
  eager: true,
  import: "default",
  query: "?raw",
});

/** What the gallery does not show, and why. */
const NOT_SHOWN: Record<string, string> = {
  "app/app": "puts pages and panel together, which are shown",
  "app/drawer": "holds the panel, which is shown, over the page",
  "app/localised": "renders nothing of its own",
  "app/main": "starts the page",
  "features/chat/components/reply-announcer": "speaks, and shows nothing",
  "shared/ui/announcer": "speaks, and shows nothing",
  "shared/ui/late-part": "shows another part",
};

function importedByTheGallery(): Set<string> {
  const imports = Object.values(GALLERY).join("\n").matchAll(/ from "@\/([^"]+)"/g);
  return new Set([...imports].map(([, path]) => path ?? ""));
}

it("every component is in the gallery, or is named here with a reason", () => {
  const components = Object.keys(COMPONENTS).map((path) => path.replaceAll(/^\.\.\/|\.tsx$/g, ""));
  expect(components.length).toBeGreaterThan(30);
  const shown = importedByTheGallery();
  const missing = components.filter((path) => !shown.has(path));
  expect(missing.toSorted()).toEqual(Object.keys(NOT_SHOWN).toSorted());
});
