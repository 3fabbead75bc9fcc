# Shared by the scripts of deploy/ and tests/: where the checkout is, and how to talk to the user.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# build_tree PRESET [TARGET...]: configures and builds; the log is shown only when something fails.
build_tree() {
  local preset=$1 log=$root/build/$1.log
  shift
  mkdir -p "$root/build"
  cmake -S "$root" --preset "$preset" >"$log" 2>&1 || { tail -30 "$log" >&2; return 1; }
  cmake --build "$root/build/$preset" --parallel "$(nproc)" ${1+--target "$@"} >>"$log" 2>&1 ||
    { grep -E 'error|FAILED|undefined' -A5 "$log" | head -60 >&2; say "the whole log: $log" >&2; return 1; }
}

# human_seconds N: "42 s", "3 min 05 s".
human_seconds() {
  if [ "$1" -lt 60 ]; then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}
