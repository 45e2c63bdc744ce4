"""Holds the tree to its rules: arrows, suffixes, sizes, a test and a bench for each kernel family,
headers that compile alone.  structure_test.py ROOT checks a tree; --self-test checks this file."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDERS = {"bench", "engine", "kernels", "models", "optim", "tests", "tools"}
TOP = FOLDERS | {"CMakeLists.txt", "CMakePresets.json", "README.md"}
# What a folder may include besides itself; only leaves are absent from every list.
MAY_INCLUDE = {
    "kernels": set(),
    "engine": {"kernels"},
    "models": {"engine", "kernels"},
    "optim": {"engine", "kernels"},
    "tools": {"models", "optim", "engine", "kernels"},
    "bench": {"tools", "models", "optim", "engine", "kernels"},
    "tests": {"tools", "models", "optim", "engine", "kernels"},
}
CODE = {".h", ".cpp", ".cuh", ".cu"}
SPEAKS_CUDA = {"kernels/platform.h", "kernels/launch.cuh",
               # They call the runtime and the libraries by themselves.
               "tests/kernels/emulated/cublas_test.cpp",
               "tests/kernels/emulated/cudnn_test.cpp",
               "tests/kernels/emulated/fixture.cuh",
               "tests/kernels/emulated/graphs_test.cpp",
               "tests/kernels/emulated/host_memory_test.cpp",
               "tests/kernels/emulated/runtime_test.cpp"}
CUDA_WORD = re.compile(
    r"\b(cuda[A-Z]\w*|cuda_(?:runtime|fp16|bf16)\w*|cublas\w*|cudnn\w*"
    r"|__(?:global|device|host|shared|syncthreads|shfl_\w+)_*|threadIdx|blockIdx)\b")
MAX_LINES = 400

# Kernel sources that are no numerical family of their own: parts, which their family's test and
# bench reach, and what numbers do not pass through.
PART_OF = {"batch_norm_act": "norm_act", "conv_onednn": "conv", "conv_reference": "conv",
           "conv_strided": "conv", "conv_tile": "conv", "gemm_onednn": "gemm", "ghost_conv": "ghost",
           "thin_product": "gemm", "winograd": "conv"}
NO_FAMILY = {"error", "event", "graph", "onednn", "pinned", "range", "simd", "step", "stream"}

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def tree_files(root):
    """Paths below root that are, or could be, committed."""
    git = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                          "--exclude-standard"], capture_output=True, text=True, check=False)
    if git.returncode == 0:
        names = [name for name in git.stdout.split("\0") if name]
    else:  # an unpacked archive: what is built lies in folders that are none of ours
        names = [str(p.relative_to(root)) for p in root.rglob("*")
                 if p.is_file() and p.relative_to(root).parts[0] in TOP]
    return sorted(name for name in set(names) if (root / name).is_file())


def bare(text):
    """The text without comments and literals, line for line."""
    return TOKEN.sub(lambda m: "\n" * m.group().count("\n"), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_file(name, text):
    folder, suffix = name.split("/")[0], pathlib.PurePath(name).suffix
    lines = text.count("\n")
    if lines > MAX_LINES:
        yield f"{name}: found {lines} lines, expected at most {MAX_LINES}"
    if suffix not in CODE or folder not in FOLDERS:
        return
    for match in INCLUDE.finditer(text):
        where, target = f"{name}:{line_of(text, match.start())}", match[1].split("/")[0]
        if target not in FOLDERS:
            yield f"{where}: found \"{match[1]}\", expected a path from the root"
        elif target != folder and target not in MAY_INCLUDE[folder]:
            yield f"{where}: {folder} may not include {target}"
    code = bare(text)
    if suffix != ".cu" and name not in SPEAKS_CUDA:
        for match in CUDA_WORD.finditer(code):
            yield f"{name}:{line_of(code, match.start())}: a CUDA word, {match[0]}"
    if name != "kernels/launch.cuh" and "<<<" in code:
        yield f"{name}:{line_of(code, code.index('<<<'))}: launch syntax outside launch.cuh"


def check_names(files):
    for top in sorted({name.split("/")[0] for name in files}):
        if top not in TOP and not top.startswith("."):
            yield f"{top}: does not belong at the top"
    present = set(files)
    wanted = {}  # a file that must be there -> the one that asks for it
    for name in files:
        path = pathlib.PurePath(name)
        if path.suffix != ".cpp":
            continue
        stem = path.stem
        if str(path.parent) == "engine/ops":
            wanted[f"tests/engine/ops/{stem}_test.cpp"] = name
        if str(path.parent) == "kernels" and stem not in NO_FAMILY:
            family = PART_OF.get(stem, stem)
            wanted.setdefault(f"kernels/{family}.cpp", name)
            wanted.setdefault(f"tests/kernels/{family}_test.cpp", name)
            wanted.setdefault(f"bench/kernels/{family}_bench.cpp", name)
    for name, asked_by in sorted(wanted.items()):
        if name not in present:
            yield f"{asked_by}: found no {name}"


def compiles_anywhere(root, name):
    """Headers, and bodies of kernels; not the launcher, nor what launches by it."""
    if name.endswith(".cuh"):
        text = (root / name).read_text(encoding="utf-8")
        return name not in SPEAKS_CUDA and "kernels/launch.cuh" not in INCLUDE.findall(text)
    return name.endswith(".h")


def check_header(root, name):
    compiler = os.environ.get("CXX", "g++")
    done = subprocess.run([compiler, "-fsyntax-only", "-w", "-std=c++20", "-fopenmp",
                           '-DBASIN_PROGRAM="basin"', "-I", str(root), "-x", "c++",
                           str(root / name)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        return [f"{name}: does not compile alone: {errors[0] if errors else done.stderr}"]
    return []


def problems_of(root):
    files = tree_files(root)
    found = list(check_names(files))
    for name in files:
        if pathlib.PurePath(name).suffix in CODE | {".py", ".sh", ".txt", ".md"}:
            found += check_file(name, (root / name).read_text(encoding="utf-8"))
    headers = [name for name in files if compiles_anywhere(root, name)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for problem in pool.map(lambda name: check_header(root, name), headers):
            found += problem
    return found


GOOD = {
    "README.md": "a tree\n",
    ".gitignore": "build/\n",
    "kernels/platform.h": "#define BASIN_HD __host__ __device__\n",
    "kernels/launch.cuh": "template <class F> void launch(F f) { f<<<1, 1>>>(); }\n",
    "kernels/sum.h": "#pragma once\n#include <vector>\nstd::vector<int> sum();\n",
    "kernels/sum.cpp": '#include "kernels/sum.h"\n// cudaMalloc is not here\n'
                       'const char* s = "cublas <<<", *t = R"(threadIdx)"; int n = 1\'000;\n',
    "kernels/stream.cpp": "int stream;\nint cuda_device_count() { return 0; }\n",
    "kernels/sum.cu": "#include <cuda_runtime.h>\n",
    "kernels/sum.cuh": '#include "kernels/platform.h"\nstruct Sum {};\n',
    "kernels/emulated/runtime.cu": "cudaError_t cudaFree(void*) { return cudaSuccess; }\n",
    "kernels/emulated/device.cpp": "int queues;\n",
    "tests/kernels/emulated/runtime_test.cpp": "void f() { cudaFree(nullptr); }\n",
    "kernels/sum_cuda.cuh": '#include "kernels/launch.cuh"\nnone::such f();\n',
    "tests/kernels/sum_test.cpp": '#include "kernels/sum.h"\n',
    "bench/kernels/sum_bench.cpp": '#include "kernels/sum.h"\n',
    "engine/ops/sum.cpp": '#include "kernels/sum.h"\n',
    "tests/engine/ops/sum_test.cpp": "",
    "models/net.h": '#include "kernels/sum.h"\n',
    "optim/sgd.h": "",
    "tools/main.cpp": '#include "models/net.h"\n#include "optim/sgd.h"\n',
}
# (file, its contents or None for absent, a part of the problem that must be found)
BAD = [
    ("kernels/sum.h", '#include "engine/tape.h"\n', "kernels may not include engine"),
    ("engine/tape.cpp", '#include "models/net.h"\n', "engine may not include models"),
    ("engine/tape.cpp", '#include "optim/sgd.h"\n', "engine may not include optim"),
    ("models/net.cpp", '#include "optim/sgd.h"\n', "models may not include optim"),
    ("optim/sgd.cpp", '#include "models/net.h"\n', "optim may not include models"),
    ("models/net.cpp", '#  include "tools/cli.h"\n', "models may not include tools"),
    ("tools/main.cpp", '#include "tests/support/a.h"\n', "tools may not include tests"),
    ("tests/kernels/sum_test.cpp", '#include "bench/a.h"\n', "tests may not include bench"),
    ("bench/kernels/sum_bench.cpp", '#include "tests/a.h"\n', "bench may not include tests"),
    ("kernels/sum.cpp", '#include "sum.h"\n', "expected a path from the root"),
    ("kernels/sum.cpp", "\nauto a = cudaMalloc;\n", "kernels/sum.cpp:2: a CUDA word, cudaMalloc"),
    ("kernels/emulated/device.cpp", "cudaStream_t a;\n", "a CUDA word, cudaStream_t"),
    ("engine/tape.cpp", "cudnnHandle_t a;\n", "a CUDA word, cudnnHandle_t"),
    ("engine/tape.cpp", "cublasHandle_t a;\n", "a CUDA word, cublasHandle_t"),
    ("kernels/sum.cpp", "#include <cuda_runtime.h>\n", "a CUDA word, cuda_runtime"),
    ("kernels/sum.cuh", "__global__ void f();\n", "a CUDA word, __global__"),
    ("kernels/sum.cuh", "__device__ int f();\n", "a CUDA word, __device__"),
    ("kernels/sum.cuh", "__shared__ int f;\n", "a CUDA word, __shared__"),
    ("kernels/sum.cuh", "int i = threadIdx.x;\n", "a CUDA word, threadIdx"),
    ("kernels/sum.cu", "void g() { f<<<1, 2>>>(); }\n", "launch syntax"),
    ("optim/sgd.h", "\n" * 401, "found 401 lines"),
    ("tests/kernels/sum_test.cpp", None, "found no tests/kernels/sum_test.cpp"),
    ("bench/kernels/sum_bench.cpp", None, "found no bench/kernels/sum_bench.cpp"),
    ("kernels/conv_onednn.cpp", "", "found no tests/kernels/conv_test.cpp"),
    ("kernels/conv_reference.cpp", "", "found no kernels/conv.cpp"),
    ("tests/engine/ops/sum_test.cpp", None, "found no tests/engine/ops/sum_test.cpp"),
    ("notes.txt", "", "notes.txt: does not belong at the top"),
    ("extra/a.cpp", "", "extra: does not belong at the top"),
    ("kernels/sum.h", "std::string s();\n", "kernels/sum.h: does not compile alone"),
    ("kernels/sum.cuh", "std::string s();\n", "kernels/sum.cuh: does not compile alone"),
]


def self_test():
    wrong = []
    for name, contents, expected in [("README.md", "a tree\n", None)] + BAD:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**GOOD, name: contents}.items():
                if text is not None:
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    (root / path).write_text(text, encoding="utf-8")
            subprocess.run(["git", "-C", folder, "init", "-q"], check=True)
            found = problems_of(root)
        if expected is None and found:
            wrong.append(f"a good tree: found {found}")
        if expected is not None and not any(expected in problem for problem in found):
            wrong.append(f"{name} with {contents!r:.60}: found {found}, expected '{expected}'")
    return wrong


def main():
    if len(sys.argv) != 2:
        print("usage: structure_test.py ROOT | --self-test", file=sys.stderr)
        return 2
    if sys.argv[1] == "--self-test":
        problems = self_test()
    else:
        problems = problems_of(pathlib.Path(sys.argv[1]))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
