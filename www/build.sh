#!/usr/bin/env bash
# Builds the inspector: the wasm modules, then the page as one self-contained file, www/dist/papyra-inspector.html.
#
#   www/build.sh           everything; what is already done is not done again
#   www/build.sh wasm      the modules and their JavaScript faces alone (web/pkg), for work on the page
#   www/build.sh purity    only the proof that core stays pure: it builds for wasm32 and asks for no host
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/tools/wasm-toolchain.sh"
www=$papyra_root/www
pkg=$papyra_root/web/pkg
modules=(judge explore) # each a feature of web/Cargo.toml
raw=$wasm_target_dir/$wasm_triple/web

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

purity() { # the modules hold core, so that they build is proof of both
  node_or_die
  local module
  for module in "${modules[@]}"; do
    wasm_cargo build --quiet --profile web -p papyra-web --no-default-features --features "$module"
    cp "$raw/papyra_web.wasm" "$raw/$module.wasm"
    node "$www/tools/imports.mjs" "$raw/$module.wasm"
  done
}

wasm() {
  purity
  if ! stamp "$pkg/.stamp" "$raw/judge.wasm" "$raw/explore.wasm"; then
    local bindgen module
    bindgen=$(wasm_bindgen_bin wasm-bindgen)
    rm -rf "$pkg"
    for module in "${modules[@]}"; do
      "$bindgen" --target web --omit-default-module-path --remove-producers-section --remove-name-section \
        --out-dir "$pkg/$module" --out-name papyra_web "$raw/$module.wasm"
    done
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
