#!/usr/bin/env bash
# Sets up, builds, and trains a small ResNet with SAM on Fashion-MNIST: one epoch. Further
# arguments go to `basin train`: an option given there takes the place of the one here.
set -euo pipefail
cd "$(dirname "$0")/.."

options=(--model resnet_tiny_gn --width 16 --dataset fashion-mnist --optimizer sam --rho 0.1
  --batch 128 --epochs 1 --schedule cyclic --lr 0.1 --out out/demo)
for word in "$@"; do
  [[ $word == --* ]] || continue
  for i in "${!options[@]}"; do
    if [ "${options[i]-}" = "${word%%=*}" ]; then unset "options[i]" "options[i + 1]"; fi
  done
done

tools/setup.sh
mkdir -p build
log=build/demo.log
echo "building (log: $log)"
if ! { cmake --preset release && cmake --build --preset release --target basin; } > "$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "demo: the build failed: see $log" >&2
  exit 1
fi
exec build/release/basin train "${options[@]}" "$@"
