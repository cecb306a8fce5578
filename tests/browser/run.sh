#!/usr/bin/env bash
# Everything about the inspector that needs a browser: builds it, then tests the module and the page.
#
#   tests/browser/run.sh           all of it; installs what is missing
#   tests/browser/run.sh install   what is missing alone
#   tests/browser/run.sh build     the page and the npm package alone
#   tests/browser/run.sh wasm      the module alone, in Chromium and Firefox
#   tests/browser/run.sh page      the page and the npm package
#   tests/browser/run.sh shots     screenshots of each state (or of those named), to look at, in tests/browser/shots
#   tests/browser/run.sh bench     speed and memory, printed
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../web/tools/wasm-toolchain.sh"
geckodriver_version=0.37.1
# As tests/run builds: with other features all would be built anew.
command_build=(--workspace --locked --features papyra/inspector)

install_browsers() {
  local missing=()
  command -v chromium >/dev/null || missing+=(chromium)
  command -v chromedriver >/dev/null || missing+=(chromium-driver)
  command -v zstd >/dev/null || missing+=(zstd)
  command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing+=(firefox-esr)
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  as_root apt-get update -q >&2 || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

install_packages() {
  cd "$here"
  local now
  now=$(sha256sum <package-lock.json)
  if [ ! -f node_modules/.stamp ] || [ "$(cat node_modules/.stamp)" != "$now" ]; then
    npm ci --no-audit --no-fund --loglevel=error
    printf '%s\n' "$now" >node_modules/.stamp
  fi
}

# The reports of the cases, from this machine's own code: what browsers and types are held against.
golden() { (cd "$papyra_root" && cargo build --quiet "${command_build[@]}" --example golden && target/debug/examples/golden); }

test_wasm() {
  local runner
  runner=$(wasm_bindgen_bin wasm-bindgen-test-runner)
  mkdir -p "$wasm_target_dir"
  golden >"$wasm_target_dir/golden.json"
  export PAPYRA_GOLDEN=$wasm_target_dir/golden.json CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$runner
  say "the module in Chromium"
  (cd "$papyra_root" && CHROMEDRIVER=$(command -v chromedriver) wasm_cargo test -p papyra-web --test leaf)
  say "the module in Firefox"
  # geckodriver looks for a program called firefox.
  local path=$PATH fox=$wasm_target_dir/firefox
  if ! command -v firefox >/dev/null; then
    mkdir -p "$fox" && ln -sf "$(command -v firefox-esr)" "$fox/firefox"
    path=$fox:$PATH
  fi
  (cd "$papyra_root" && PATH=$path GECKODRIVER=$(cargo_tool geckodriver $geckodriver_version geckodriver) \
    wasm_cargo test -p papyra-web --test leaf)
}

# The page's types against reports as they are: a field too many or too few does not compile.
test_types() {
  say "types"
  (cd "$papyra_root" && golden | node tests/browser/types.mjs >www/src/types.check.ts)
  (cd "$papyra_root/www" && trap 'rm -f src/types.check.ts' EXIT && npx tsc --noEmit)
}

# The parts of the page that need no browser.
test_parts() {
  say "the page's parts"
  (cd "$papyra_root/www" && npm run --silent test)
}

# The command that the page is held against, with the page inside; unless the environment names one.
build_command() {
  if [ -z "${PAPYRA_INSPECTOR_BIN:-}" ]; then
    say "papyra with the page inside"
    (cd "$papyra_root" && cargo build --quiet "${command_build[@]}" --bins --tests)
    export PAPYRA_INSPECTOR_BIN=$papyra_root/target/debug/papyra
  fi
  export PAPYRA_BIN=${PAPYRA_BIN:-$PAPYRA_INSPECTOR_BIN}
}

test_page() {
  build_command
  say "the page"
  cd "$here" && node --test --test-concurrency=1 --test-reporter=spec ./*.test.mjs
}

build() { "$papyra_root/www/build.sh" && "$papyra_root/web/build.sh" package && install_packages; }

case ${1:-all} in
  install) install_browsers ;;
  build) build ;;
  all) install_browsers && build && (test_wasm) && (test_types) && (test_parts) && (test_page) ;;
  wasm) install_browsers && test_wasm ;;
  page) install_browsers && build && (test_types) && (test_parts) && (test_page) ;;
  shots) install_browsers && "$papyra_root/www/build.sh" && install_packages && build_command && cd "$here" && node shots.mjs "${@:2}" ;;
  bench) install_browsers && "$papyra_root/www/build.sh" && install_packages && cd "$here" && node bench.mjs ;;
  *) say "usage: tests/browser/run.sh [install|build|wasm|page|shots|bench]"; exit 64 ;;
esac
