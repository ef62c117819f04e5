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
[ -z "${SYNCTALK_MODELS:-}" ] || SYNCTALK_MODELS=$(realpath -m "$SYNCTALK_MODELS")
cd "$(dirname "$0")"
minutes=${DEMO_MINUTES:-2.8}
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

# What was made by another program, or trained for another time, is made again. Every product gets its
# name when it is whole: a run that was stopped goes on where it was.
if [ -d "$out" ] && [ ! -f "$out/key" ] && [ -n "$(ls -A "$out")" ]; then
  echo "$out: is not empty and was not made by this script; give another folder" >&2
  exit 1
fi
mkdir -p "$out"
key="$(sha256sum <$tool) $minutes"
if [ "$(cat "$out/key" 2>/dev/null)" != "$key" ]; then
  rm -rf "$out"/{clip.mp4,person,person.stk,person.run,new.wav,new.mp4,scores.json,frames,compare.png,part.*}
  echo "$key" >"$out/key"
fi

step "the presenter's clip"
[ -f "$out/clip.mp4" ] || $tool presenter -o "$out/clip.mp4"

step "prepare"
[ -f "$out/person.stk" ] || $tool prepare "$out/clip.mp4" -o "$out/person" >"$out/prepare.txt"

step "train for $minutes minutes"
if [ ! -f "$out/person.stk" ]; then # many small steps: the lips begin to move early
  again=()
  [ ! -f "$out/part.stk.train" ] || again=(--resume)
  $tool train "$out/person" -o "$out/part.stk" --run "$out/person.run" --minutes "$minutes" --rays 2048 "${again[@]}"
  rm "$out/part.stk.train"
  mv "$out/part.stk" "$out/person.stk"
fi

step "a new sentence"
[ -f "$out/new.wav" ] || $tool presenter -o "$out/new.wav" --text "$text"
if [ ! -f "$out/new.mp4" ]; then
  $tool render -m "$out/person.stk" -a "$out/new.wav" -o "$out/part.mp4"
  mv "$out/part.mp4" "$out/new.mp4"
fi

step "compare"
if [ ! -f "$out/scores.json" ] || [ ! -d "$out/frames" ]; then
  rm -rf "$out/frames"
  $tool eval -m "$out/person.stk" "$out/person" --frames "$out/frames" --json >"$out/part.json"
  mv "$out/part.json" "$out/scores.json"
fi
# Three held-out moments: real | rendered | pasted into its frame, and three of the new sentence.
mapfile -t frames < <(ls "$out"/frames/*.png)
count=${#frames[@]}
$tool sheet -o "$out/compare.png" --columns 2 --height 384 \
  "${frames[count / 6]}" "$out/new.mp4@1.2" "${frames[count / 2]}" "$out/new.mp4@3.4" \
  "${frames[count * 5 / 6]}" "$out/new.mp4@5.2"

step "done"
cat <<END
video     $out/new.mp4
pictures  $out/compare.png   (real | learned | pasted into its frame | a new sentence)
figures   $(cat "$out/scores.json")
your own  $tool prepare clip.mp4 -o person/
END
