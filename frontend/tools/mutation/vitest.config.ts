/** The tests that are to notice when the core of the page is broken. */
import { defineConfig, mergeConfig } from "vitest/config";

import viteConfig from "../../vite.config.ts";

export default mergeConfig(
  viteConfig,
  defineConfig({
    test: {
      environment: "node",
      include: ["src/shared/streams/{session-reducer,stream-store}*.test.ts"],
      restoreMocks: true,
    },
  }),
);
