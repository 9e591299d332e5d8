import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const gateway = process.env["VB_FRONTEND_GATEWAY"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) },
  },
  build: {
    target: "es2023",
    // A strict CSP has no room for inlined data in styles and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // A part that is asked for again after it could not be had comes with its styles.
    cssCodeSplit: false,
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/v1": { target: gateway, ws: true },
      "/config.js": { target: gateway },
    },
  },
});
