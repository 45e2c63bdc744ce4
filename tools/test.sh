#!/usr/bin/env bash
# Sets up, builds, and runs all tests. An argument names another preset than release.
set -euo pipefail
cd "$(dirname "$0")/.."

# Two threads that spin for each other on a busy machine cost more than they save.
export OMP_WAIT_POLICY=passive
preset=${1:-release}
tools/setup.sh
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset" -j "$(nproc)"
