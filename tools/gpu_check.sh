#!/usr/bin/env bash
# Everything that only a GPU can show, in one call of at most ten minutes: the tests on it,
# compute-sanitizer, and what kernels and steps cost beside PyTorch.
#
#   tools/gpu_check.sh                 on a machine with a GPU, nvcc and cuDNN
#   tools/gpu_check.sh --pack [ARCH]   elsewhere: builds for compute capability ARCH (90) into gpu_pack/
#
# A packed build carries the libraries that the machine with the GPU may lack (oneDNN, {fmt}, …) and
# Fashion-MNIST, and is used where it lies in the tree; without one the script builds, and needs
# what tools/setup.sh names. Results: $OUT, or gpu_check_out/: summary.md, JSON, logs.
# BASIN_PYTHON names an interpreter with PyTorch (python3); BASIN_BUDGET the seconds (570).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

fail() { echo "gpu_check: $1" >&2 && exit "${2:-1}"; }

pack() { # ARCH
  command -v nvcc > /dev/null || fail "found no nvcc, expected the CUDA Toolkit"
  cmake --preset cuda -B build/gpu -DCMAKE_CUDA_ARCHITECTURES="$1" > /dev/null || exit 1
  cmake --build build/gpu || exit 1
  rm -rf gpu_pack && mkdir -p gpu_pack/lib gpu_pack/data || exit 1
  local program library
  for program in basin bench/cuda_bench tests/kernels_tests tests/engine_tests tests/tools_tests; do
    cp "build/gpu/$program" gpu_pack/ || exit 1
    # All but what every Linux has, and CUDA's own, which must be the driver's and the toolkit's.
    while read -r library; do cp -L "$library" gpu_pack/lib/; done < <(
      ldd "build/gpu/$program" | awk '$3 ~ /^\// {print $3}' |
        grep -vE '/(libc|libm|libdl|librt|libpthread|libcuda|libcudart|libcublas|libcublasLt|libcudnn)\.so')
  done
  strip gpu_pack/basin gpu_pack/*_tests gpu_pack/cuda_bench
  cp /usr/share/datasets/fashion-mnist/*.gz gpu_pack/data/ 2> /dev/null
  git rev-parse HEAD > gpu_pack/commit
  du -sh gpu_pack | sed 's/^/packed: /'
}

case "${1:-}" in
  "") ;;
  --pack) pack "${2:-90}" && exit ;;
  *) fail "found '$1', expected nothing or --pack [ARCH]" 2 ;;
esac

out=${OUT:-gpu_check_out}
python=${BASIN_PYTHON:-python3}
deadline=$((SECONDS + ${BASIN_BUDGET:-570}))
mkdir -p "$out" || exit 1
rows=() # of the table: what, result
note() { rows+=("| $1 | $2 |") && echo "gpu_check: $1: $2"; }

# Seconds that a part may take: what it asks for, or what is left.
seconds() { local left=$((deadline - SECONDS)) && echo $((left < $1 ? left : $1)); }
part() { # NAME SECONDS COMMAND...: runs it, its output to a log, and notes how it ended
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

# Programs, and the libraries that they need.
where=gpu_pack
if [ ! -x gpu_pack/basin ]; then
  where=build/cuda
  part "build" 500 bash -c 'tools/setup.sh; cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native &&
    cmake --build --preset cuda' || fail "no build: see $out/build.log (a build made elsewhere by \
'tools/gpu_check.sh --pack' needs none of the libraries)"
fi
at() { if [ $where = gpu_pack ]; then echo "gpu_pack/${1##*/}"; else echo "build/cuda/$1"; fi; }
basin=$(at basin)
BASIN_BENCH_FOLDER=$(dirname "$(at bench/cuda_bench)")
export BASIN_BENCH_FOLDER
library_folder() { # the folder that has it: known to the linker, of the toolkit, or of PyTorch
  ldconfig -p | grep -q "$1" && return
  local roots=(/usr/local/cuda/lib64 /usr/local/cuda/lib /usr/local/cuda/targets/x86_64-linux/lib)
  roots+=("$("$python" -c 'import torch, os; print(os.path.join(os.path.dirname(torch.__file__), "../nvidia"))' 2> /dev/null)")
  find -L "${roots[@]}" -name "$1*" -printf '%h\n' 2> /dev/null | head -n 1
}
path=$PWD/gpu_pack/lib
for library in libcudart.so.13 libcublasLt.so.13 libcudnn.so.9; do path+=:$(library_folder "$library"); done
export LD_LIBRARY_PATH=$path:${LD_LIBRARY_PATH:-}
device=$("$basin" info 2>&1 | grep -m1 '^cuda:0')
case $device in
  "" | *"no CUDA device"* | *"cannot run"*) fail "found no usable GPU: ${device:-$("$basin" info 2>&1 | grep -m1 -i cuda)}" ;;
esac
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n 1)
note "device" "$device; driver $driver; $(date -u +%F)"

# The tests on the device, then under compute-sanitizer the kernels' own.
part "tests: kernels" 120 "$(at tests/kernels_tests)"
part "tests: engine" 90 "$(at tests/engine_tests)"
part "tests: steps and training on CUDA" 120 env BASIN_PROGRAM="$basin" "$(at tests/tools_tests)" \
  --gtest_filter='*OnCuda*'
for tool in memcheck racecheck initcheck; do
  command -v compute-sanitizer > /dev/null || { note "$tool" "not run: no compute-sanitizer"; continue; }
  part "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$(at tests/kernels_tests)" \
    --gtest_filter='Reduce*:Sam*:Sgd*:*Norm*:Pool*:Loss*:Augment*:Bias*:Convert*-*TheBody*'
done

# Kernels against the copy's bandwidth; steps beside PyTorch in one run; an epoch.
part "kernels" 60 "$basin" bench kernels --device cuda --json "$out/kernels.json"
jsons=()
step() { # MODEL WIDTH PRECISION...
  local name="step $1 $2 ${3#--}"
  name=${name/precision/} && name=${name// /-}
  part "$name" 60 "$basin" bench step --device cuda --model "$1" --width "$2" --batch 128 "${@:3}" \
    --optimizer sgd,sam --repeats 20 --peer pytorch --python "$python" --json "$out/$name.json" &&
    jsons+=("$out/$name.json")
}
for model in resnet_tiny_gn resnet18 resnet18_gn; do
  for precision in "--precision float32" --tf32 "--precision bf16"; do
    # shellcheck disable=SC2086 # an option and its word
    step $model 16 $precision
  done
done
for model in resnet18 resnet18_gn resnet_tiny_gn; do
  # shellcheck disable=SC2086
  for precision in --tf32 "--precision bf16" "--precision float32"; do step $model 64 $precision; done
done
data=(--dataset fashion-mnist)
[ ! -d gpu_pack/data ] || data+=(--data-dir gpu_pack/data)
part "an epoch of Fashion-MNIST" 60 "$basin" train --device cuda "${data[@]}" --model resnet_tiny_gn \
  --optimizer sam --rho 0.1 --augment --epochs 1 --schedule cyclic --lr 0.1 --out "$out/epoch"

{
  echo "# GPU check: $device"
  echo
  printf '| part | result |\n|---|---|\n'
  printf '%s\n' "${rows[@]}"
  echo
  echo "Commit $(cat gpu_pack/commit 2> /dev/null || git rev-parse HEAD); command: tools/gpu_check.sh"
  [ ${#jsons[@]} -eq 0 ] || "$python" tools/gpu_tables.py "$out" "${jsons[@]}"
} | tee "$out/summary.md"
printf '%s\n' "${rows[@]}" | grep -q 'FAILED' && exit 1
exit 0
