#!/usr/bin/env bash
# Builds two commits and runs their `basin bench step` in turns: bench_compare.sh OLD NEW [OPTIONS],
# with the options of `basin bench step`. Prints each row's ratio new / old, with its spread.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${BASIN_ROUNDS:-5}
[ $# -ge 2 ] || { echo "bench_compare: found $# arguments, expected OLD NEW [OPTIONS]" >&2; exit 2; }
for commit in "$1" "$2"; do
  git rev-parse --quiet --verify "$commit^{commit}" > /dev/null ||
    { echo "bench_compare: found '$commit', expected a commit" >&2; exit 2; }
done
declare -A commits=([old]=$(git rev-parse "$1^{commit}") [new]=$(git rev-parse "$2^{commit}"))
shift 2

work=$(mktemp -d)
cleanup() {
  for side in old new; do git worktree remove --force "$work/$side" 2> /dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
for side in old new; do
  git worktree add --quiet --detach "$work/$side" "${commits[$side]}"
  echo "building $side, ${commits[$side]}"
  if ! (cd "$work/$side" && cmake --preset release && cmake --build --preset release --target basin) \
    > "$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    echo "bench_compare: $side does not build" >&2
    exit 1
  fi
done
export OMP_WAIT_POLICY=passive
for ((round = 0; round < rounds; ++round)); do
  for side in old new; do
    "$work/$side/build/release/basin" bench step --repeats 5 --quiet --json "$work/$side-$round.json" "$@"
  done
done
python3 - "$work" "$rounds" << 'END'
import json
import statistics
import sys

folder, rounds = sys.argv[1], int(sys.argv[2])


def medians(side, number):
    with open(f"{folder}/{side}-{number}.json", encoding="utf-8") as file:
        return {(r["model"], r["optimizer"], r["engine"]): r["median_ms"] for r in json.load(file)["results"]}


pairs = [(medians("old", i), medians("new", i)) for i in range(rounds)]
print(f"{'model':<16} {'optimizer':<10} {'engine':<17} {'old ms':>8} {'new ms':>8} {'ratio':>6}  spread")
for key in pairs[0][0]:
    ratios = [new[key] / old[key] for old, new in pairs]
    old_ms, new_ms = (statistics.median(side[key] for side in sides) for sides in zip(*pairs))
    print(f"{key[0]:<16} {key[1]:<10} {key[2]:<17} {old_ms:>8.2f} {new_ms:>8.2f} {statistics.median(ratios):>6.3f}"
          f"  {min(ratios):.3f} to {max(ratios):.3f}")
END
