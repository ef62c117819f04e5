#!/bin/sh
# ideas.sh - what each idea of the training schedule is worth: models without it (or with it) beside the default
# one, same steps and rays, several seeds, on every subject given. Prints a Markdown table a subject; the runs
# are kept in FOLDER, so that a second call goes on where the first was stopped, or adds ideas and seeds.
#
#   scripts/ideas.sh -o FOLDER [-s STEPS] [-e EVERY] [-n SEEDS] [-j JOBS] [-t THREADS] [-i "IDEA ..."] SUBJECT ...
#
#   -s  steps of each model (1000)            -e  evaluate every so many held-out frames (4)
#   -n  seeds 1 to so many (3)                -j  runs at a time (1)
#   -t  threads of each run, 0 = all (0)      -p  print the tables of what is there, run nothing
#   -i  of `synctalk train --vary`, or frames (one frame a step instead of 16), rays (4096 a step instead of
#       2048), released (the published schedule, scaled)
#
# SYNCTALK names the program (build/tools/synctalk). The table's lines are differences to the default, seed by
# seed: mean and standard deviation; * where the mean is farther from 0 than chance would have it with 95 %
# certainty (t test). Seconds are of the training alone, by the clock.
set -eu
: "${SYNCTALK:=build/tools/synctalk}"

usage() {
  sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# What a run adds to the command line.
arguments() {
  case $1 in
    default) ;;
    frames) echo --frames 1 ;;
    rays) echo --rays 4096 ;;
    released) echo --schedule released ;;
    *) echo --vary "$1" ;;
  esac
}

# One run: model, figures, away with the model. Called again by xargs.
run_one() { # folder subject idea seed
  name=$1/$(basename "$2")-$3-$4
  [ ! -s "$name.json" ] || return 0
  # shellcheck disable=SC2046 # words
  "$SYNCTALK" train "$2" -o "$name.stk" --run none --steps "$steps" --seed "$4" --threads "$threads" \
    --save-every 86400 --preview-every 86400 $(arguments "$3") >"$name.log" 2>&1 ||
    { tail -n 2 "$name.log" >&2; return 1; }
  grep -o 'trained: .* seconds=[0-9.]*' "$name.log" >"$name.txt" || true
  "$SYNCTALK" eval -m "$name.stk" "$2" --every "$every" --threads "$threads" --json >"$name.part" 2>"$name.log" ||
    { tail -n 2 "$name.log" >&2; return 1; }
  rm -f "$name.stk" "$name.stk.train" "$name.log"
  mv "$name.part" "$name.json"
  echo "$(date +%H:%M:%S) $(basename "$name")" >&2
}

figures() { # name: psnr head mouth lmd seconds
  for key in psnr psnr_head psnr_mouth lmd; do
    value=$(grep -o "\"$key\":[^,}]*" "$1.json" | head -n 1 | cut -d: -f2)
    printf '%s ' "${value:-null}"
  done
  value=$(sed -n 's/.* seconds=//p' "$1.txt")
  echo "${value:-null}"
}

table() { # subject
  name=$(basename "$1")
  printf '\n%s, %s steps, every %s. held-out frame\n\n' "$name" "$steps" "$every"
  echo "| | seeds | PSNR | head | mouth | LMD | seconds |"
  echo "|---|---|---|---|---|---|---|"
  for idea in default $ideas; do
    seed=1
    while [ "$seed" -le "$seeds" ]; do
      if [ -s "$folder/$name-$idea-$seed.json" ] && [ -s "$folder/$name-default-$seed.json" ]; then
        echo "$idea $(figures "$folder/$name-$idea-$seed") $(figures "$folder/$name-default-$seed")"
      fi
      seed=$((seed + 1))
    done
  done | awk '
    # Quantile 0.975 of the t distribution for so many values; beyond the table by its expansion, to 0.001.
    function student(count,   f) {
      f = count - 1
      return count in t ? t[count] : 1.96 + 2.372 / f + 2.823 / f ^ 2 + 2.556 / f ^ 3
    }
    function put(k, is_default,   m, s, i, text) {
      if (n[k] == 0) return " | -"
      m = sum[k] / n[k]; s = 0
      for (i = 1; i <= n[k]; i++) s += (v[k, i] - m) ^ 2
      s = n[k] > 1 ? sqrt(s / (n[k] - 1)) : 0
      if (k == 5) return sprintf(" | %.0f", m)
      text = sprintf(is_default ? " | %.3f" : " | %+.3f", m)
      if (n[k] == 1) return text
      text = text sprintf(" ± %.3f", s)
      return text (!is_default && (m < 0 ? -m : m) > student(n[k]) * s / sqrt(n[k]) ? "*" : "")
    }
    function flush(   k, row) {
      if (now == "") return
      row = "| " now " | " count
      for (k = 1; k <= 5; k++) row = row put(k, now == "default")
      print row " |"
    }
    BEGIN { t[2] = 12.71; t[3] = 4.303; t[4] = 3.182; t[5] = 2.776; t[6] = 2.571; t[7] = 2.447 }
    $1 != now { flush(); now = $1; count = 0; split("", n); split("", sum) }
    {
      count++
      for (k = 1; k <= 5; k++) {
        if ($(k + 1) == "null" || $(k + 6) == "null") continue
        x = now == "default" || k == 5 ? $(k + 1) : $(k + 1) - $(k + 6)
        v[k, ++n[k]] = x; sum[k] += x
      }
    }
    END { flush() }'
}

if [ "${1:-}" = --one ]; then # folder subject idea seed, from below, which exports steps, every, threads
  shift
  run_one "$@"
  exit
fi
steps=1000 every=4 seeds=3 jobs=1 threads=0 folder="" print=0
ideas="regions frames rates average probe blinks noise backdrop hull levels"
while getopts o:s:e:n:j:t:i:p option; do
  case $option in
    o) folder=$OPTARG ;;
    s) steps=$OPTARG ;;
    e) every=$OPTARG ;;
    n) seeds=$OPTARG ;;
    j) jobs=$OPTARG ;;
    t) threads=$OPTARG ;;
    i) ideas=$OPTARG ;;
    p) print=1 ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
if [ -z "$folder" ] || [ $# = 0 ]; then usage; fi
mkdir -p "$folder"
settings="steps=$steps every=$every"
if [ -f "$folder/settings.txt" ] && [ "$(cat "$folder/settings.txt")" != "$settings" ]; then
  echo "$folder: holds runs of $(cat "$folder/settings.txt") (now $settings); give the same, or another folder" >&2
  exit 1
fi
echo "$settings" >"$folder/settings.txt"
export SYNCTALK steps every threads
if [ "$print" = 0 ]; then
  # seeds outermost: whatever is there when time is up is a whole table of fewer seeds
  seed=1
  while [ "$seed" -le "$seeds" ]; do
    for idea in default $ideas; do
      for subject; do printf '%s\0%s\0%s\0%s\0' "$folder" "$subject" "$idea" "$seed"; done
    done
    seed=$((seed + 1))
  done | xargs -0 -n 4 -P "$jobs" "$0" --one || echo "some runs failed; the tables are without them" >&2
fi
for subject; do table "$subject"; done
