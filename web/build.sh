#!/usr/bin/env bash
# Builds what core is for JavaScript: the wasm modules that the page carries, and the npm package papyra-web.
#
#   web/build.sh           everything; what is already done is not done again
#   web/build.sh wasm      the modules and their JavaScript faces alone, web/pkg
#   web/build.sh package   these and the package, web/dist/papyra-web-VERSION.tgz
#   web/build.sh purity    only the proof that core stays pure: it builds for wasm32 and asks for no host
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/tools/wasm-toolchain.sh"
web=$papyra_root/web
pkg=$web/pkg
modules=(judge explore) # each a feature of web/Cargo.toml
raw=$wasm_target_dir/$wasm_triple/web

purity() { # the modules hold core, so that they build is proof of both
  node_or_die
  local module
  for module in "${modules[@]}"; do
    wasm_cargo build --quiet --profile web -p papyra-web --no-default-features --features "$module"
    cp "$raw/papyra_web.wasm" "$raw/$module.wasm"
    node "$web/tools/imports.mjs" "$raw/$module.wasm"
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

package() {
  node_modules
  if ! stamp "$web/dist/.stamp" "$web/package" "$pkg/judge" "$papyra_root"/LICENSE-*; then
    local to=$web/dist/papyra-web
    rm -rf "$web/dist"
    mkdir -p "$to/judge"
    # The compiler wants the module's face where the package has it.
    ln -sfn ../../pkg/judge "$web/package/src/judge"
    (trap 'rm -f "$web/package/src/judge"' EXIT && cd "$www" && npx tsc --project "$web/package/tsconfig.json")
    cp "$pkg"/judge/papyra_web.js "$pkg"/judge/papyra_web.d.ts "$pkg"/judge/papyra_web_bg.wasm "$to/judge/"
    cp "$web/package/package.json" "$web/package/README.md" "$papyra_root"/LICENSE-* "$to/"
    (cd "$web/dist" && npm pack --silent --ignore-scripts ./papyra-web >&2)
    printf '%s\n' "$stamp_now" >"$web/dist/.stamp"
  fi
  say "$(ls "$web"/dist/papyra-web-*.tgz): $(wc -c <"$(echo "$web"/dist/papyra-web-*.tgz)") bytes"
}

case ${1:-all} in
  all | package) wasm && package ;;
  wasm) wasm ;;
  purity) purity ;;
  *) say "usage: web/build.sh [wasm|package|purity]"; exit 64 ;;
esac
