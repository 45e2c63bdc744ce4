#!/usr/bin/env python3
"""What the compiler made of each CUDA kernel: a table, and a check.  No GPU is needed."""
import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ABOUT = """\
Takes the nvcc commands of a build folder (its compile_commands.json), runs their device side again
for the same architectures, and reads ptxas's words on each kernel and the PTX.  It runs nvcc and
c++filt, nothing else; the folder need be configured only, not built.

  threads     a block's, at most, where the kernel has launch bounds; else 256, grid_for's
  shared      static shared memory, bytes a block
  stack       bytes a thread: an array that is indexed at run time, or what spills took
  spills      bytes of stores + loads in the code, where registers did not suffice
  occupancy   the warps that a multiprocessor holds at once, of the most it could: by arithmetic
              from registers, shared memory and threads
  loads       instructions on global memory in the PTX, by their width in bits: 2x128 1x32
  stores      (ptxas unrolls loops further, and changes no width)

"a / b / c" are the architectures in their order, where they differ.

--check finds, and exits with 1:
  - spills, and stack frames;
  - an element kernel that does not move 16 bytes at a time: a body without shared memory, or one
    that names load_pack or store_pack.  Each of its Arrays has to be moved so.  Of kernels that
    differ in a number alone, as Rows<float, 1> and Rows<float, 4>, one has to.  A body that cannot
    says why in the comment above it, in a line `// Narrow accesses: REASON`.
"""
# Of a multiprocessor (CUDA C++ Programming Guide, technical specifications per compute capability).
Limits = collections.namedtuple("Limits", "warps blocks shared_kib")
LIMITS = {80: Limits(64, 32, 164), 86: Limits(48, 16, 100), 89: Limits(48, 24, 100),
          90: Limits(64, 32, 228), 100: Limits(64, 32, 228), 120: Limits(48, 24, 100)}
REGISTERS, WARP, USUAL_THREADS = 65536, 32, 256

PROPERTIES = re.compile(
    r"Compiling entry function '(?P<symbol>\w+)' for 'sm_(?P<arch>\w+)'\n"
    r".*Function properties for (?P=symbol)\n"
    r"\s*(?P<stack>\d+) bytes stack frame, (?P<spill_stores>\d+) bytes spill stores, "
    r"(?P<spill_loads>\d+) bytes spill loads\n"
    r".*Used (?P<registers>\d+) registers(?:[^\n]*?, (?P<shared>\d+) bytes smem)?")
FUNCTION = re.compile(r"^(?:\.\w+\s+)*\.(entry|func)\b[^\n]*?(\w+)\s*\(", re.MULTILINE)
ACCESS = re.compile(r"\b(ld|st)\.([\w:.]+)\s")
BODY = re.compile(r"^(?P<comment>(?://[^\n]*\n)*)(?:template\b[^{};]*?\n)?struct (?P<name>\w+)"
                  r"[^{;\n]*\{\n.*?^\};", re.MULTILINE | re.DOTALL)


def fail(line):
    print(f"kernel_report: {line}", file=sys.stderr)
    sys.exit(2)


def round_up(a, b):
    return -(-a // b) * b


def arch_number(arch):
    return int(re.sub(r"\D", "", arch))  # of 90a too


def read_ptxas(text):
    """{(symbol, architecture): registers, shared, stack, spills} from the words of ptxas -v."""
    found = {}
    for match in PROPERTIES.finditer(text):
        numbers = match.groupdict(default="0")
        key = numbers.pop("symbol"), numbers.pop("arch")
        found[key] = {name: int(value) for name, value in numbers.items()}
    return found


def read_ptx(text):
    """{(symbol, architecture): threads, loads, stores} from a PTX file."""
    arch = re.search(r"^\.target sm_(\w+)", text, re.MULTILINE)[1]
    starts = list(FUNCTION.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    found = {}
    for start, end in zip(starts, ends):
        if start[1] != "entry":
            continue
        code = text[start.start():end]
        widths = {"ld": collections.Counter(), "st": collections.Counter()}
        for kind, qualifiers in ACCESS.findall(code):
            words = [word.split("::")[0] for word in qualifiers.split(".")]
            if {"param", "local", "shared", "const"}.isdisjoint(words):  # global, or not known
                values = next((int(w[1:]) for w in words if re.fullmatch(r"v\d", w)), 1)
                widths[kind][values * int(re.search(r"\d+$", words[-1])[0])] += 1
        bound = re.search(r"\.(?:maxntid|reqntid) (\d+)", code)
        found[start[2], arch] = {"threads": int(bound[1]) if bound else USUAL_THREADS,
                                 "loads": dict(widths["ld"]), "stores": dict(widths["st"])}
    return found


def occupancy(arch, registers, shared, threads):
    """None for an architecture that LIMITS lacks."""
    limits = LIMITS.get(arch_number(arch))
    if limits is None:
        return None
    warps = -(-threads // WARP)
    # Registers are given out by 256, to each of the four quarters' warps alike.
    by_registers = REGISTERS // round_up(max(registers, 1) * WARP, 256) // 4 * 4 // warps
    by_shared = limits.shared_kib * 1024 // round_up(shared + 1024, 128)  # 1 KiB is the system's
    return min(limits.blocks, limits.warps // warps, by_registers, by_shared) * warps / limits.warps


def short_name(signature):
    """(what a reader calls the kernel, its body): ("map<float, SamAscent>", "MapBody")."""
    name = re.sub(r"\bbasin::|\bcuda::|\(anonymous namespace\)::|^void ", "", signature)
    name = re.sub(r"^run_\w*body<", "", re.sub(r"> (?=>)", ">", name))
    depth = 0
    for end, letter in enumerate(name):  # run_body's first argument is the body
        if depth == 0 and letter in ",(>":
            name = name[:end]
            break
        depth += {"<": 1, ">": -1}.get(letter, 0)
    body = name.split("<")[0]
    scalar = re.match(r"\w+<(float|double|bfloat16), ", name)
    if scalar:  # its functors have the same
        inner = name[scalar.end():].replace(f"<{scalar[1]}>", "").replace(f"<{scalar[1]}, ", "<")
        name = scalar[0] + inner
    return name.replace("MapBody<", "map<"), body


def find_bodies(root):
    """{struct in kernels/: where it stands, its text, whether a reason excuses narrow accesses}."""
    found = {}
    for path in sorted((root / "kernels").glob("*.cu*")):
        text = path.read_text(encoding="utf-8")
        for match in BODY.finditer(text):
            line = text.count("\n", 0, match.start("name")) + 1
            narrow = re.search(r"^// Narrow accesses: \S", match["comment"], re.MULTILINE)
            found[match["name"]] = {"at": f"{path.relative_to(root)}:{line}", "text": match[0],
                                    "narrow": narrow is not None}
    return found


def wide(counts):
    return sum(n for width, n in counts.items() if width >= 128)


def problems_of(kernel, body, alike):
    """`alike`: this kernel and those that differ from it in a number alone."""
    if kernel["spill_stores"] or kernel["spill_loads"]:
        yield (f"spills {kernel['spill_stores']} bytes and loads {kernel['spill_loads']} "
               f"({kernel['registers']} registers, blocks of {kernel['threads']} threads)")
    elif kernel["stack"]:
        yield f"a stack frame of {kernel['stack']} bytes: is an array indexed at run time?"
    if body.get("narrow"):
        return
    arrays = re.findall(r"Arrays<([^<>]+), (\d+)", kernel["signature"].partition(">(")[0])
    for what, word in (("loads", "load_pack"), ("stores", "store_pack")):
        moved = [int(n) for of, n in arrays if of.endswith(" const") == (what == "loads")]
        element = kernel["shared"] == 0 and kernel[what] or word in body.get("text", "")
        wanted = sum(moved) if moved else int(bool(element))
        found = max(wide(other[what]) for other in alike)
        if found < wanted:
            yield (f"found {found} {what} of 16 bytes ({widths_text(kernel[what])}), "
                   f"expected {wanted}")


def check(kernels, bodies):
    """One line a finding, its architectures joined."""
    alike, joined = collections.defaultdict(list), collections.defaultdict(list)
    keys = [(kernel["source"], kernel["architecture"], re.sub(r"\b\d+\b", "N", kernel["kernel"]))
            for kernel in kernels]
    for key, kernel in zip(keys, kernels):
        alike[key].append(kernel)
    for key, kernel in zip(keys, kernels):
        body = bodies.get(kernel["body"], {})
        where = f"{body.get('at', kernel['source'])}: {kernel['kernel']} ({kernel['source']}"
        for problem in problems_of(kernel, body, alike[key]):
            joined[where, problem].append(f"sm_{kernel['architecture']}")
    return [f"{where}, {' '.join(archs)}): {what}" for (where, what), archs in joined.items()]


def compile_device_side(entry):
    """({(symbol, architecture): numbers}, the compiler's version) of a compile command."""
    command = shlex.split(entry["command"])
    while command[1:] and "nvcc" not in pathlib.Path(command[0]).name:  # a cache of its results
        del command[0]
    with tempfile.TemporaryDirectory() as folder:
        command[command.index("-o") + 1] = f"{folder}/all.fatbin"
        command[command.index("-c")] = "-fatbin"
        done = subprocess.run(command + ["-Xptxas=-v", "--keep", "--keep-dir", folder],
                              cwd=entry["directory"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            fail(f"{entry['file']}: nvcc failed: {done.stderr.strip()}")
        texts = [path.read_text(encoding="utf-8") for path in pathlib.Path(folder).glob("*.ptx")]
    ptxas, ptx = read_ptxas(done.stderr), {}
    for text in texts:
        ptx.update(read_ptx(text))
    if ptx.keys() != ptxas.keys():
        fail(f"{entry['file']}: not both in the PTX and in ptxas's words: "
             f"{sorted(ptx.keys() ^ ptxas.keys())}")
    return {key: {**ptxas[key], **ptx[key]} for key in ptx}, re.search(r"release .*", texts[0])[0]


def kernels_of(build):
    """(a record a kernel and architecture, the compiler's version)."""
    try:
        entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"{build}: expected a folder that `cmake --preset cuda` configured: {error}")
    entries = [e for e in entries if e["file"].endswith(".cu") and " -x cu " in e["command"]]
    if not entries:
        fail(f"{build}: found no command of nvcc, expected a build with BASIN_CUDA=ON")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = list(pool.map(compile_device_side, entries))
    kernels = []
    for entry, (found, version) in zip(entries, compiled):
        names = subprocess.run(["c++filt"], input="\n".join(symbol for symbol, _ in found),
                               capture_output=True, text=True, check=True).stdout.splitlines()
        for ((_, arch), numbers), signature in zip(found.items(), names):
            name, body = short_name(signature)
            sizes = (numbers[key] for key in ("registers", "shared", "threads"))
            kernels.append({"source": os.path.relpath(entry["file"], ROOT), "kernel": name,
                            "architecture": arch, **numbers, "occupancy": occupancy(arch, *sizes),
                            "body": body, "signature": signature})
    kernels.sort(key=lambda k: (k["source"], k["kernel"], arch_number(k["architecture"])))
    return kernels, version


def widths_text(counts):
    return " ".join(f"{n}x{width}" for width, n in sorted(counts.items(), reverse=True)) or "none"


COLUMNS = {  # heading -> what a kernel's cell says
    **{key: lambda k, key=key: str(k[key]) for key in ("threads", "registers", "shared", "stack")},
    "spills": lambda k: f"{k['spill_stores']}+{k['spill_loads']}",
    "occupancy": lambda k: "?" if k["occupancy"] is None else f"{k['occupancy']:.0%}",
    "loads": lambda k: widths_text(k["loads"]),
    "stores": lambda k: widths_text(k["stores"]),
}


def table(kernels, made):
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    for kernel in kernels:
        rows[kernel["source"]][kernel["kernel"]].append(kernel)
    lines = ["# What the compiler made of each kernel",
             f"{made['compiler']}; sm_{' / sm_'.join(made['architectures'])}; {made['date']}; "
             "nothing was run on a device.",
             f"`{made['command']}`; its `--help` explains the columns."]
    for source, named in rows.items():
        lines += ["", f"## {source}", f"| kernel | {' | '.join(COLUMNS)} |"]
        lines.append("|---" * (len(COLUMNS) + 1) + "|")
        for name, group in named.items():
            cells = [[text(kernel) for kernel in group] for text in COLUMNS.values()]
            cells = [" / ".join(cell if len(set(cell)) > 1 else cell[:1]) for cell in cells]
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog=ABOUT,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, help="a build folder of preset cuda")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER",
                        help="write kernels.md and kernels.json there (else the table is printed)")
    parser.add_argument("--check", action="store_true",
                        help="say what is wrong, one line a finding, and exit with 1")
    arguments = parser.parse_args()
    kernels, version = kernels_of(arguments.build)
    archs = sorted({kernel["architecture"] for kernel in kernels}, key=arch_number)
    made = {"compiler": f"nvcc {version}", "architectures": archs,
            "date": str(datetime.date.today()),
            "command": f"tools/kernel_report.py {shlex.join(sys.argv[1:])}"}
    text = table(kernels, made)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "kernels.md").write_text(text, encoding="utf-8")
        records = ",\n".join(json.dumps(kernel) for kernel in kernels)
        (arguments.out / "kernels.json").write_text(
            f'{json.dumps(made)[:-1]}, "kernels": [\n{records}\n]}}\n', encoding="utf-8")
    if not arguments.check:
        if not arguments.out:
            print(text, end="")
        return 0
    problems = check(kernels, find_bodies(ROOT))
    for problem in problems:
        print(problem, file=sys.stderr)
    count = len({(kernel["source"], kernel["kernel"]) for kernel in kernels})
    print(f"kernels: {count} (sm_{', sm_'.join(archs)}), findings: {len(problems)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
