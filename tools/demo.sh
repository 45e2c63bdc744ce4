#!/usr/bin/env bash
# Sets up, builds, and trains a small ResNet with SAM on Fashion-MNIST: one epoch. Further
# arguments go to `basin train` (a later --epochs 3, say, wins).
set -euo pipefail
cd "$(dirname "$0")/.."

tools/setup.sh
cmake --preset release > build.log 2>&1 || { tail -n 20 build.log >&2; exit 1; }
echo "building (the log is build.log)"
cmake --build --preset release --target basin >> build.log 2>&1 || { tail -n 40 build.log >&2; exit 1; }
build/release/basin train --model resnet_tiny_gn --width 16 --dataset fashion-mnist \
  --optimizer sam --rho 0.1 --batch 128 --epochs 1 --schedule cyclic --lr 0.1 --out out/demo "$@"
