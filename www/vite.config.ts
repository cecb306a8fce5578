import { defineConfig } from "vite";

// Only what both bundles share; tools/bundle.mjs says what is built.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { target: ["chrome111", "firefox115", "safari16.4"], cssTarget: ["chrome111", "firefox115", "safari16.4"], minify: true },
});
