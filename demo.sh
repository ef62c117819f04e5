#!/usr/bin/env bash
# demo.sh - from nothing to a talking head: installs what is missing, builds, lets the built-in presenter
# make a clip, learns that person from it, and makes them say a new sentence.
#
#   ./demo.sh [FOLDER]      FOLDER holds all that it makes (default: demo)
#
# A second run takes what is there already; after a change of the program it begins again.
# DEMO_MINUTES=30 trains longer than the hurried default.
set -eu
start=$SECONDS
case "${1:-}" in -*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
out=$(realpath -m "${1:-demo}")
cd "$(dirname "$0")"
minutes=${DEMO_MINUTES:-2.6}
text="Hello! I have never said this sentence in front of a camera. My lips follow a sound that they \
have not heard before."

. scripts/packages.sh
step() { printf '\n== %3d s  %s\n' $((SECONDS - start)) "$*" >&2; }

step "packages"
install_packages "${build_packages[@]}"

step "build"
[ -f build/build.ninja ] || meson setup build -Dtests=false >/dev/null
ninja -C build --quiet tools/synctalk
tool=build/tools/synctalk

step "pretrained face graphs"
if ! scripts/get-models.sh -f -n ${SYNCTALK_MODELS:+"$SYNCTALK_MODELS"} >/dev/null 2>&1; then
  command -v npm >/dev/null || install_packages npm
  command -v curl >/dev/null || install_packages curl ca-certificates
  scripts/get-models.sh -f ${SYNCTALK_MODELS:+"$SYNCTALK_MODELS"}
fi

# What was made by another program, or trained for another time, is made again.
mkdir -p "$out"
key="$(sha256sum <$tool) $minutes"
if [ "$(cat "$out/key" 2>/dev/null)" != "$key" ]; then
  rm -rf "$out"/{key,clip.mp4,person,person.stk,person.stk.train,new.wav,new.mp4,scores.json,frames}
  echo "$key" >"$out/key"
fi

step "the presenter's clip"
[ -f "$out/clip.mp4" ] || $tool presenter -o "$out/clip.mp4"

step "prepare"
[ -f "$out/person.stk" ] || $tool prepare "$out/clip.mp4" -o "$out/person" >"$out/prepare.txt"

step "train for $minutes minutes"
[ -f "$out/person.stk" ] || $tool train "$out/person" -o "$out/person.stk" --minutes "$minutes"

step "a new sentence"
[ -f "$out/new.wav" ] || $tool presenter -o "$out/new.wav" --text "$text"
[ -f "$out/new.mp4" ] || $tool render -m "$out/person.stk" -a "$out/new.wav" -o "$out/new.mp4"

step "compare"
if [ ! -f "$out/scores.json" ]; then
  rm -rf "$out/frames"
  $tool eval -m "$out/person.stk" "$out/person" --frames "$out/frames" --json >"$out/scores.part"
  mv "$out/scores.part" "$out/scores.json"
fi
# Three held-out moments: real | rendered, and three of the new sentence.
mapfile -t frames < <(ls "$out"/frames/*.png)
count=${#frames[@]}
$tool sheet -o "$out/compare.png" --columns 2 --height 384 \
  "${frames[count / 6]}" "$out/new.mp4@1.2" "${frames[count / 2]}" "$out/new.mp4@3.4" \
  "${frames[count * 5 / 6]}" "$out/new.mp4@5.2"

step "done"
cat <<END
video     $out/new.mp4
pictures  $out/compare.png   (real | learned | a new sentence)
figures   $(cat "$out/scores.json")
your own  $tool prepare clip.mp4 -o person/
END
