#!/usr/bin/env bash
# Sets up, builds, and runs all tests. An argument names another preset than release.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
tools/setup.sh
cmake --preset "$preset"
cmake --build --preset "$preset"
ctest --preset "$preset" -j "$(nproc)"
