#!/usr/bin/env bash
# Builds the inspector as one self-contained file, www/dist/papyra-inspector.html, and before it the wasm modules in it
# (web/build.sh). What is already done is not done again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../web/tools/wasm-toolchain.sh"

"$papyra_root/web/build.sh" wasm
node_modules
cd "$www"
if ! stamp dist/.stamp src tools index.html package-lock.json tsconfig.json vite.config.ts ../web/package/src ../web/pkg; then
  npm run --silent build
  printf '%s\n' "$stamp_now" >dist/.stamp
fi
say "www/dist/papyra-inspector.html: $(wc -c <dist/papyra-inspector.html) bytes"
