#!/usr/bin/env bash
# Installs what Basin's build and tests need and this machine lacks (Debian, Ubuntu).
# --ci: what continuous integration needs beside it (formatter, linter, the emulated device's fibers).
set -euo pipefail

packages=(cmake ninja-build g++
  libdnnl-dev ocl-icd-opencl-dev # oneDNN's CMake file asks for OpenCL, which its package only recommends
  libgtest-dev libgmock-dev libbenchmark-dev libcli11-dev
  nlohmann-json3-dev libtomlplusplus-dev libfmt-dev zlib1g-dev libssl-dev ccache python3
  python3-numpy python3-matplotlib dataset-fashion-mnist
  git # by which a test lists the tree
  curl ca-certificates) # what `basin data fetch` runs
case "${1:-}" in
  "") ;;
  --ci) packages+=(clang-format clang-tidy shellcheck libboost-context-dev) ;;
  *) echo "setup: found '$1', expected nothing or --ci" >&2 && exit 2 ;;
esac

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  echo "setup: not Debian or Ubuntu, nothing installed; Basin needs CMake 3.24, Ninja, g++ 12," \
    "oneDNN, GoogleTest, Google Benchmark, CLI11, nlohmann-json, toml++, fmt, zlib, OpenSSL" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
    as_root=(sudo -n)
  else
    echo "setup: packages are missing, and this is not root: sudo apt-get install ${missing[*]}" >&2
    exit 2
  fi
fi
echo "setup: installing ${missing[*]}"
as_root+=(env DEBIAN_FRONTEND=noninteractive) # sudo passes no variable on
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" apt-get update &&
    "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
}
if ! install > "$log" 2>&1 < /dev/null; then
  echo "setup: apt-get failed: $(grep -m1 '^E:' "$log" || tail -n1 "$log")" >&2
  exit 1
fi
