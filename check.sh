#!/usr/bin/env bash
# check.sh - the test command: installs what is missing, builds with gcc and clang (warnings are errors)
# and with the address and undefined-behaviour sanitizers, and runs the tests: all of them under gcc.
#
#   ./check.sh          everything
#   ./check.sh quick    the gcc build and its tests only
set -eu
cd "$(dirname "$0")"
case "${1:-}" in
  "" | quick) ;;
  *) echo "usage: ./check.sh [quick]"; exit 2 ;;
esac

. scripts/packages.sh
install_packages "${build_packages[@]}" clang libcmocka-dev libclang-rt-14-dev libespeak-ng1 opencv-data

# Test data beside the checkout, when they are there; tests that need them skip otherwise.
export STK_SHARED="${STK_SHARED:-$PWD/../shared}"
if [ -z "${SYNCTALK_MODELS:-}" ] && [ -d "$STK_SHARED/models" ]; then
  export SYNCTALK_MODELS="$STK_SHARED/models"
fi
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

passed=0 failed=0 skipped=0
setup_log=$(mktemp)
trap 'rm -f "$setup_log"' EXIT
run() { # name, compiler, meson options...
  local name=$1 compiler=$2
  shift 2
  local folder=build-$name
  echo "== $name"
  local again=()
  [ ! -d "$folder" ] || again=(--reconfigure)
  if ! CC=$compiler meson setup "${again[@]}" "$folder" "$@" >"$setup_log" 2>&1; then
    cat "$setup_log"
    exit 1
  fi
  # What the presenter's truth says of accuracy does not depend on the compiler: once is enough. Whole
  # runs of the program are made with gcc and under the sanitizers. clang runs what depends on its code:
  # kernels, gradients, parity.
  local which=(--no-suite truth)
  [ "$name" != gcc ] || which=()
  [ "$name" != clang ] || which+=(--no-suite cli --no-suite unit)
  # all under gcc; else the program, and the tests that are run
  local targets=()
  if [ "$name" != gcc ]; then
    targets=(tools/synctalk)
    while read -r test; do targets+=("tests/$test"); done < <(
      meson test -C "$folder" --no-rebuild --list "${which[@]}" 2>/dev/null |
        sed -n 's|.*/ *\(test_[a-z0-9_]*\).*|\1|p')
  fi
  ninja -C "$folder" --quiet "${targets[@]}"
  local log=$folder/meson-logs/testlog.txt status=0
  meson test -C "$folder" --no-rebuild --print-errorlogs "${which[@]}" >"$folder/test-output.txt" 2>&1 || status=$?
  grep -E '^ *[0-9]+/[0-9]+ ' "$folder/test-output.txt" | grep -vE ' OK ' || true
  grep -hE '^SKIP: ' "$log" | sort | uniq -c || true
  [ "$status" = 0 ] || tail -n 60 "$folder/test-output.txt"
  count() { grep -E "^$1:" "$folder/test-output.txt" | grep -oE '[0-9]+' | tail -n 1; }
  # single cmocka cases, for the closing line
  local ok bad skip
  ok=$(grep -c '^\[       OK \]' "$log" || true)
  bad=$(grep -c '^\[  FAILED  \] [a-z]' "$log" || true)
  skip=$(grep -c '^\[  SKIPPED \] [a-z]' "$log" || true)
  [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
  echo "$name: $(count Ok) programs, $ok cases passed, $bad failed, $skip skipped, ${SECONDS}s so far"
  passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

run gcc gcc
if [ "${1:-}" != quick ]; then
  run clang clang
  # line numbers are all that a report needs of debugging symbols, which cost a quarter of the time; the
  # first report ends a program anyway (UBSAN_OPTIONS), and code that need not go on is a fifth quicker made
  run asan gcc -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=2 \
    "-Dc_args=-g1 -fno-sanitize-recover=all"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
