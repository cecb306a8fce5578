#!/usr/bin/env bash
# Builds the inspector: the wasm module, then the page as one self-contained file, www/dist/papyra-inspector.html.
#
#   www/build.sh           everything; what is already done is not done again
#   www/build.sh wasm      the module and its JavaScript face alone (web/pkg), for work on the page
#   www/build.sh purity    only the proof that core stays pure: it builds for wasm32 and asks for no host
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/tools/wasm-toolchain.sh"
www=$papyra_root/www
pkg=$papyra_root/web/pkg
raw=$wasm_target_dir/$wasm_triple/web/papyra_web.wasm

# stamp FILE INPUT…: true when FILE holds the hash of these inputs, else leaves the hash in $stamp_now.
stamp() {
  local file=$1
  shift
  stamp_now=$(find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
  [ -f "$file" ] && [ "$(cat "$file")" = "$stamp_now" ]
}

node_or_die() {
  command -v node >/dev/null && command -v npm >/dev/null || { say "node 20.19 or newer and npm are needed"; exit 69; }
}

purity() { # the module holds core, so that it builds is proof of both
  wasm_cargo build --quiet --profile web -p papyra-web
  node_or_die
  node "$www/tools/imports.mjs" "$raw"
}

wasm() {
  purity
  if ! stamp "$pkg/.stamp" "$raw"; then
    local bindgen
    bindgen=$(wasm_bindgen_bin wasm-bindgen)
    rm -rf "$pkg"
    "$bindgen" --target web --omit-default-module-path --remove-producers-section --remove-name-section --out-dir "$pkg" "$raw"
    printf '%s\n' "$stamp_now" >"$pkg/.stamp"
  fi
}

page() {
  cd "$www"
  if ! stamp node_modules/.stamp package-lock.json; then
    npm ci --no-audit --no-fund --loglevel=error
    printf '%s\n' "$stamp_now" >node_modules/.stamp
  fi
  if ! stamp dist/.stamp src tools index.html package-lock.json tsconfig.json vite.config.ts "$pkg"; then
    npm run --silent build
    printf '%s\n' "$stamp_now" >dist/.stamp
  fi
  say "www/dist/papyra-inspector.html: $(wc -c <dist/papyra-inspector.html) bytes"
}

case ${1:-all} in
  all) wasm && page ;;
  wasm) wasm ;;
  purity) purity ;;
  *) say "usage: www/build.sh [wasm|purity]"; exit 64 ;;
esac
