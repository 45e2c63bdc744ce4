#!/usr/bin/env bash
# One epoch of Fashion-MNIST with SAM, crop and flip, in Basin and in PyTorch, in turns:
# bench/epoch.sh [REPEATS]. BASIN_PYTHON names an interpreter that has PyTorch (two minutes a turn).
set -euo pipefail
cd "$(dirname "$0")/.."

repeats=${1:-2}
[[ $repeats =~ ^[1-9][0-9]*$ ]] || { echo "bench/epoch.sh: found '$repeats', expected repeats" >&2; exit 2; }
: "${BASIN_PYTHON:?bench/epoch.sh: expected the path of an interpreter that has PyTorch}"
data=${BASIN_DATA_DIR:-/usr/share/datasets/fashion-mnist}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
recipe=(--model resnet_tiny_gn --width 16 --batch 128 --rho 0.1)
for turn in $(seq "$repeats"); do
  build/release/basin train --dataset fashion-mnist --data-dir "$data" "${recipe[@]}" --augment \
    --optimizer sam --epochs 1 --schedule cyclic --lr 0.1 --out "$out/$turn" < /dev/null |
    sed -n 's/^epoch 1/basin: epoch 1/p'
  for mode in "" --compile; do
    "$BASIN_PYTHON" bench/peers/torch_epoch.py --data-dir "$data" "${recipe[@]}" $mode \
      < /dev/null 2> /dev/null | sed "s/^/pytorch ${mode:-eager}: /"
  done
done
