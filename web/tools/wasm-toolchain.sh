# Sourced, not run: finds or installs what building for wasm32-unknown-unknown, and what is made of it, needs.
#
# Gives these and changes nothing else in the calling shell:
#   wasm_cargo …                 cargo for the wasm target (add no --target), SIMD on
#   wasm_bindgen_bin NAME        path of a wasm-bindgen program that matches Cargo.lock to the digit
#   cargo_tool CRATE VERSION BIN path of a program from crates.io, installed once into the tools folder
#   node_modules                 the page's tools in www/node_modules: the TypeScript compiler, the bundler
#   stamp FILE INPUT…            whether FILE holds the hash of these inputs; else leaves the hash in $stamp_now
# Building, tests and the page do not live here.

papyra_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
www=$papyra_root/www
papyra_tools=${PAPYRA_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/papyra/tools}
wasm_triple=wasm32-unknown-unknown
# Kept apart from the native target folder: two compilers sharing one throw each other's work away.
wasm_target_dir=${PAPYRA_WASM_TARGET_DIR:-$papyra_root/target-wasm}

say() { printf '%s\n' "$*" >&2; }

have_std() { # RUSTC: does this compiler bring the standard library of the wasm target?
  [ -d "$("$1" --print target-libdir --target "$wasm_triple" 2>/dev/null)" ]
}

have_src() { [ -d "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library" ]; } # RUSTC: and its sources?

have_rustup() { have_std rustc && have_src rustc; }

have_debian() { [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && have_src /usr/bin/rustc && newest_wasm_ld >/dev/null; }

newest_wasm_ld() { # the package puts only wasm-ld-NN on the path
  local found
  found=$(compgen -c wasm-ld | sort -uV | tail -n 1)
  [ -n "$found" ] && command -v "$found"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Sets wasm_mode to rustup or debian; installs only when neither is there.
find_wasm_toolchain() {
  [ -n "${wasm_mode:-}" ] && return
  if have_rustup; then
    wasm_mode=rustup
  elif have_debian; then
    wasm_mode=debian
  elif command -v rustup >/dev/null && say "adding the target $wasm_triple and the sources of std" &&
    timeout 120 rustup target add "$wasm_triple" >&2 && timeout 120 rustup component add rust-src >&2 && have_rustup; then
    wasm_mode=rustup
  elif command -v apt-get >/dev/null && say "installing Debian's compiler for wasm" && debian_install && have_debian; then
    wasm_mode=debian
  else
    say "no compiler for $wasm_triple: run 'rustup target add $wasm_triple' and 'rustup component add rust-src', and try again"
    return 1
  fi
}

debian_install() {
  as_root apt-get update -q >&2 || true
  local lld
  lld=$(apt-cache search --names-only '^lld-[0-9]+$' | cut -d' ' -f1 | sort -V | tail -n 1)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    rustc-web cargo-web rust-web-src "${lld:-lld}" >&2
}

wasm_cargo() ( # a shell of its own, for what it exports
  find_wasm_toolchain || exit
  local verb=$1
  shift
  local cargo_home=${CARGO_HOME:-$HOME/.cargo}
  # Remapped, so that no path of this machine ends up in the module.
  local flags="-C target-feature=+simd128 --remap-path-prefix=$cargo_home=cargo --remap-path-prefix=$papyra_root=papyra"
  local std=()
  if [ "$verb" = build ]; then
    # The module's own std is built from its sources: the small one, and without words for a panic. They lead nowhere in
    # a browser, where all that is seen is the trap.
    std=(-Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size)
    flags+=" -Zunstable-options -Cpanic=immediate-abort"
  elif [ "$wasm_mode" = debian ]; then
    std=(-Zbuild-std=std,panic_abort) # Debian has no precompiled one for the target.
  fi
  export CARGO_TARGET_DIR=$wasm_target_dir CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$flags RUSTC_BOOTSTRAP=1
  if [ "$wasm_mode" = rustup ]; then
    cargo "$verb" --target "$wasm_triple" "${std[@]}" "$@"
  else
    PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(newest_wasm_ld) \
      /usr/bin/cargo "$verb" --target "$wasm_triple" "${std[@]}" "$@"
  fi
)

locked_version() { # CRATE: its version in Cargo.lock
  awk -v name="\"$1\"" '$1 == "name" { hit = ($3 == name) } hit && $1 == "version" { gsub(/"/, "", $3); print $3; exit }' \
    "$papyra_root/Cargo.lock"
}

cargo_tool() {
  local root=$papyra_tools/$1-$2
  if [ ! -x "$root/bin/$3" ]; then
    say "installing $1 $2 (once)"
    # Without --locked: the lock files published with these no longer resolve. Unoptimised: they have little to do, and
    # are built in a third of the time.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --debug "$1" --version "$2" --root "$root" --target-dir "$papyra_tools/build" >&2 || return
    rm -rf "$papyra_tools/build"
  fi
  printf '%s\n' "$root/bin/$3"
}

wasm_bindgen_bin() { cargo_tool wasm-bindgen-cli "$(locked_version wasm-bindgen)" "$1"; }

stamp() {
  local file=$1
  shift
  stamp_now=$(find -L "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
  [ -f "$file" ] && [ "$(cat "$file")" = "$stamp_now" ]
}

node_or_die() {
  command -v node >/dev/null && command -v npm >/dev/null || { say "node 20.19 or newer and npm are needed"; exit 69; }
}

node_modules() (
  node_or_die
  cd "$www"
  if ! stamp node_modules/.stamp package-lock.json; then
    npm ci --no-audit --no-fund --loglevel=error
    printf '%s\n' "$stamp_now" >node_modules/.stamp
  fi
)
