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

preset=release
# A newcomer's first minutes are not spent in nvcc where no GPU would run what it makes.
if command -v nvcc > /dev/null && nvidia-smi -L > /dev/null 2>&1; then
  preset=cuda
  [[ " $* " == *" --device"* ]] || options+=(--device cuda)
fi

tools/setup.sh
mkdir -p build
log=build/demo.log
echo "building (log: $log)"
if ! { cmake --preset "$preset" && cmake --build --preset "$preset" --target basin; } > "$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "demo: the build failed: see $log" >&2
  exit 1
fi
exec "build/$preset/basin" train "${options[@]}" "$@"
