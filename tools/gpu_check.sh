#!/usr/bin/env bash
# Everything that only a GPU can show, in one call of at most ten minutes: the tests on it,
# compute-sanitizer, and what kernels, steps and an epoch cost beside PyTorch.
#
#   tools/gpu_check.sh [PART...]       on a machine with a GPU, nvcc and cuDNN: every part, or these:
#                                      tests sanitizer epoch kernels steps profile
#   tools/gpu_check.sh --pack [ARCH]   elsewhere: builds for compute capability ARCH (90) into gpu_pack.tar.gz
#
# A packed build carries the libraries that the machine with the GPU may lack (oneDNN, {fmt}, …) and
# Fashion-MNIST, and is used where it lies in the tree; without one the script builds, and needs
# what tools/setup.sh names. Results: $OUT, or gpu_check_out/: summary.md, JSON, logs.
# BASIN_PYTHON names an interpreter with PyTorch (python3); BASIN_BUDGET the seconds (570).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD

fail() { echo "gpu_check: $1" >&2 && exit "${2:-1}"; }

pack() { # ARCH
  command -v nvcc > /dev/null || fail "found no nvcc, expected the CUDA Toolkit"
  rm -rf gpu_pack gpu_pack.tar.gz
  # The programs look for libraries in lib/ beside them. (LD_LIBRARY_PATH would hand ours to PyTorch.)
  cmake --preset cuda -B build/gpu -DCMAKE_CUDA_ARCHITECTURES="$1" -DCMAKE_SKIP_RPATH=ON \
    "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags,-rpath,'\$ORIGIN/lib'" \
    -DCMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE=PRE_TEST > /dev/null || exit 1
  local programs=(basin bench/cuda_bench tests/kernels_tests tests/engine_tests tests/tools_tests)
  cmake --build build/gpu --target "${programs[@]##*/}" || exit 1
  mkdir -p gpu_pack/lib gpu_pack/data || exit 1
  local program library
  for program in "${programs[@]}"; do
    cp "build/gpu/$program" gpu_pack/ || exit 1
    # All but what every Linux with a compiler has, and CUDA's own, which must be those of the device.
    while read -r library; do cp -L "$library" gpu_pack/lib/; done < <(
      ldd "build/gpu/$program" | awk '$3 ~ /^\// {print $3}' |
        grep -vE '/lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|cuda|cudart|cublas|cublasLt|cudnn)\.so')
  done
  strip gpu_pack/basin gpu_pack/*_tests gpu_pack/cuda_bench gpu_pack/lib/*
  cp /usr/share/datasets/fashion-mnist/*.gz gpu_pack/data/ 2> /dev/null
  git rev-parse HEAD > gpu_pack/commit
  tar czf gpu_pack.tar.gz gpu_pack && rm -rf gpu_pack
  du -h gpu_pack.tar.gz | sed 's/^/packed: /'
}

parts=(tests sanitizer epoch kernels steps profile)
case "${1:-}" in
  "") ;;
  --pack) pack "${2:-90}" && exit ;;
  *)
    for part in "$@"; do
      [[ " ${parts[*]} " == *" $part "* ]] ||
        fail "found '$part', expected nothing, --pack [ARCH] or some of: ${parts[*]}" 2
    done
    parts=("$@")
    ;;
esac

mkdir -p "${OUT:-gpu_check_out}" || exit 1
out=$(cd "${OUT:-gpu_check_out}" && pwd)
python=${BASIN_PYTHON:-python3}
deadline=$((SECONDS + ${BASIN_BUDGET:-570}))
rows=() # of the table: what, result
note() { rows+=("| $1 | $2 |") && echo "gpu_check: $1: $2"; }

# Seconds that a command may take: what it asks for, or what is left.
seconds() { local left=$((deadline - SECONDS)) && echo $((left < $1 ? left : $1)); }
run() { # NAME SECONDS COMMAND...: its output to a log; notes how it ended
  local name=$1 limit code=0 start=$SECONDS
  limit=$(seconds "$2")
  [ "$limit" -gt 5 ] || { note "$name" "not run: the time is up" && return 1; }
  timeout "$limit" "${@:3}" > "$out/${name// /-}.log" 2>&1 < /dev/null || code=$?
  case $code in
    0) note "$name" "passed, $((SECONDS - start)) s" ;;
    124) note "$name" "NOT FINISHED within $limit s" ;;
    *) note "$name" "FAILED (exit $code): $(tail -n 1 "$out/${name// /-}.log" | cut -c1-160)" ;;
  esac
  return "$code"
}

# Tests, in as many processes as there are cores for: a GPU runs several at once.
shards() { # NAME SECONDS SHARDS FILTER COMMAND...
  local name=$1 limit start=$SECONDS i code worst=0 ids=() log
  limit=$(seconds "$2")
  [ "$limit" -gt 5 ] || { note "$name" "not run: the time is up" && return 1; }
  for ((i = 0; i < $3; i++)); do
    log=$out/${name// /-}.$i.log
    GTEST_TOTAL_SHARDS=$3 GTEST_SHARD_INDEX=$i timeout "$limit" "${@:5}" --gtest_filter="$4" > "$log" 2>&1 &
    ids+=($!)
  done
  for i in "${ids[@]}"; do
    code=0 && wait "$i" || code=$?
    [ "$code" -le "$worst" ] || worst=$code
  done
  log=$out/${name// /-}.log
  cat "$out/${name// /-}".[0-9]*.log > "$log" && rm "$out/${name// /-}".[0-9]*.log
  case $worst in
    0) note "$name" "$(grep -c '^\[ *OK \]' "$log") passed, $((SECONDS - start)) s" ;;
    124) note "$name" "NOT FINISHED within $limit s" ;;
    *) note "$name" "FAILED (exit $worst): $(grep '^\[  FAILED  \].*ms)' "$log" | awk '{print $4}' | head -n 6 | tr '\n' ' ')" ;;
  esac
  return "$worst"
}

# Programs, and the libraries that they need.
where=$root/gpu_pack
[ ! -f gpu_pack.tar.gz ] || { rm -rf gpu_pack && tar xzf gpu_pack.tar.gz; } || fail "could not unpack gpu_pack.tar.gz"
if [ ! -x gpu_pack/basin ]; then
  where=$root/build/cuda
  run "build" 500 bash -c 'tools/setup.sh; cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native &&
    cmake --build --preset cuda' || fail "no build: see $out/build.log (a build made elsewhere by \
'tools/gpu_check.sh --pack' needs none of the libraries)"
fi
at() { if [ "$where" = "$root/gpu_pack" ]; then echo "$where/${1##*/}"; else echo "$where/$1"; fi; }
basin=$(at basin)
BASIN_BENCH_FOLDER=$(dirname "$(at bench/cuda_bench)")
export BASIN_BENCH_FOLDER BASIN_PROGRAM=$basin BASIN_TOOLS=$root/tools
# CUDA's libraries: PyTorch's own where it has them, so that both engines call the same ones.
library_folder() { # the folder that has it, or nothing where the linker knows one
  local torch
  torch=$("$python" -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "../nvidia"))' 2> /dev/null)
  find -L ${torch:+"$torch"} /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib -name "$1*" \
    -printf '%h\n' 2> /dev/null | head -n 1
}
for library in libcudart.so.13 libcublasLt.so.13 libcudnn.so.9; do
  LD_LIBRARY_PATH=$(library_folder "$library")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
device=$("$basin" info 2>&1 | grep -m1 '^cuda:0')
case $device in
  "" | *"no CUDA device"* | *"cannot run"*) fail "found no usable GPU: ${device:-$("$basin" info 2>&1 | grep -m1 -i cuda)}" ;;
esac
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n 1)
note "device" "$device; driver $driver; $(date -u +%F)"

part_tests() {
  shards "tests: kernels" 120 9 '*' "$(at tests/kernels_tests)"
  shards "tests: engine" 90 4 '*' "$(at tests/engine_tests)"
  shards "tests: steps and training on CUDA" 120 4 '*OnCuda*' "$(at tests/tools_tests)"
}

part_sanitizer() {
  local tool
  command -v compute-sanitizer > /dev/null || { note "compute-sanitizer" "not run: not found" && return; }
  for tool in memcheck racecheck initcheck; do
    shards "$tool" $(((deadline - SECONDS) / 8)) 12 'Reduce*:Sam*:Sgd*:*Norm*:Pool*:Loss*:Augment*:Bias*:Convert*-*TheBody*' \
      compute-sanitizer --tool "$tool" --error-exitcode 9 "$(at tests/kernels_tests)"
  done
}

# Each kernel beside the copy.
part_kernels() {
  run "kernels" 60 "$basin" bench kernels --device cuda --min-time 0.005 --json "$out/kernels.json"
}

# Steps beside PyTorch's, in turns. Both sides choose convolutions by measuring, but for float32, where
# Basin has its own. PyTorch's compiler runs beforehand, for the first networks all at once, beside the
# tests: the turns find its results in its cache.
networks=("resnet18 64" "resnet18_gn 64" "resnet_tiny_gn 16" "resnet18_gn 16" "resnet18 16" "resnet_tiny_gn 64")
precisions=(tf32 bf16 float32)
compile_peers() {
  local network precision model width limit
  limit=$(seconds 150)
  for network in "${networks[@]:0:3}"; do
    read -r model width <<< "$network"
    for precision in "${precisions[@]}"; do
      printf 'compiled sgd\ncompiled sam\n' | timeout "$limit" "$python" bench/peers/torch_server.py --model "$model" \
        --width "$width" --batch 128 --threads 2 --device cuda --precision "$precision" &
    done
  done
  wait
}
step() { # MODEL WIDTH PRECISION
  local name="step-$1-$2-$3" option=(--convolution measured --precision "$3")
  case $3 in
    tf32) option=(--convolution measured --tf32) ;;
    float32) option=() ;;
  esac
  run "$name" 60 "$basin" bench step --device cuda --model "$1" --width "$2" --batch 128 "${option[@]}" \
    --optimizer sgd,sam --repeats 10 --peer pytorch --python "$python" \
    --json "$out/$name.json"
}
part_steps() {
  local network precision
  for network in "${networks[@]}"; do
    # shellcheck disable=SC2086 # a model and its width
    for precision in "${precisions[@]}"; do step $network "$precision"; done
  done
}

# The kernels of a step, by Nsight Compute: time and memory traffic of each.
part_profile() {
  local model precision
  command -v ncu > /dev/null || { note "profile" "not run: found no ncu" && return; }
  for model in resnet18_gn resnet18; do
    for precision in --tf32 "--precision bf16"; do
      # shellcheck disable=SC2086 # an option and its word
      run "profile $model ${precision##*[- ]}" 40 ncu --clock-control none --cache-control none --csv --page raw \
        --metrics gpu__time_duration.sum,dram__bytes.sum,launch__grid_size,launch__block_size,launch__registers_per_thread \
        -c 400 --kill yes --log-file "$out/profile-$model-${precision##*[- ]}.csv" \
        "$basin" bench step --device cuda --model $model --width 64 $precision --optimizer sgd --repeats 1
    done
  done
}

part_epoch() {
  local data=(--dataset fashion-mnist)
  [ ! -d gpu_pack/data ] || data+=(--data-dir gpu_pack/data)
  run "an epoch of Fashion-MNIST" 60 "$basin" train --device cuda "${data[@]}" --model resnet_tiny_gn \
    --optimizer sam --rho 0.1 --augment --epochs 1 --schedule cyclic --lr 0.1 --out "$out/epoch"
}

compiler=
if [[ " ${parts[*]} " == *" steps "* ]]; then compile_peers > "$out/compile.log" 2>&1 & compiler=$!; fi
alone() { # the compiler has ended: what is timed has the machine to itself
  [ -z "$compiler" ] || wait "$compiler"
  compiler=
}
for part in "${parts[@]}"; do
  case $part in
    tests) part_tests ;;
    sanitizer) part_sanitizer ;;
    epoch) alone && part_epoch ;;
    kernels) alone && part_kernels ;;
    steps) alone && part_steps ;;
    profile) alone && part_profile ;;
  esac
done
{
  echo "# GPU check: $device"
  echo
  printf '| part | result |\n|---|---|\n'
  printf '%s\n' "${rows[@]}"
  echo
  echo "Commit $(cat gpu_pack/commit 2> /dev/null || git rev-parse HEAD); command: tools/gpu_check.sh $*"
  "$python" tools/gpu_tables.py "$out"
} | tee "$out/summary.md"
printf '%s\n' "${rows[@]}" | grep -q 'FAILED' && exit 1
exit 0
