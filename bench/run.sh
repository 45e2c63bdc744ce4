#!/usr/bin/env bash
# Measures the tables of bench/README.md on this machine: bench/run.sh DEVICE, where DEVICE names
# the folder under bench/results/. BASIN_PYTHON names an interpreter that has PyTorch (about five
# minutes); without it, only Basin is measured.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 1 ] || { echo "bench/run.sh: found $# arguments, expected the device's name" >&2; exit 2; }
folder=bench/results/$1
tools/setup.sh
cmake --preset release > /dev/null
cmake --build --preset release --target basin > /dev/null
mkdir -p "$folder"
peer=()
[ -z "${BASIN_PYTHON:-}" ] || peer=(--peer pytorch --python "$BASIN_PYTHON")

: > "$folder/step.txt"
jsons=()
while read -r model width batch; do
  json=$folder/step-$model-$width.json
  build/release/basin bench step --model "$model" --width "$width" --batch "$batch" \
    "${peer[@]}" --repeats 10 --json "$json" < /dev/null 2> /dev/null | tee -a "$folder/step.txt"
  echo >> "$folder/step.txt"
  jsons+=("$json")
done << 'END'
resnet_tiny_gn 16 128
resnet18_gn 16 128
resnet_tiny 16 128
resnet18 16 128
resnet18 64 32
mlp 16 128
linear 16 128
END
build/release/basin profile --model resnet_tiny_gn --optimizer sam --roofline "$folder/roofline.png" \
  --json "$folder/profile.json" > "$folder/profile.txt"
/usr/bin/python3 tools/plot.py roofline "$folder/profile.json" --out "$folder/roofline.svg"
/usr/bin/python3 tools/plot.py step "${jsons[@]}" --out "$folder/step.png"

build/release/basin bench scaling --model resnet_tiny_gn --json "$folder/scaling.json" \
  --plot "$folder/scaling.png" | tee "$folder/scaling.txt"
build/release/basin bench microbatch --repeats 10 "${peer[@]}" --plot "$folder/microbatch.png" \
  --json "$folder/microbatch-resnet_tiny_gn-16.json"
build/release/basin bench microbatch --model mlp --width 256 --repeats 10 "${peer[@]}" \
  --json "$folder/microbatch-mlp-256.json"
