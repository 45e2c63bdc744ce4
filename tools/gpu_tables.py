#!/usr/bin/env python3
"""Markdown tables of what tools/gpu_check.sh measured.

    gpu_tables.py FOLDER

FOLDER has any of: step-*.json (of basin bench step), kernels.json (of Google Benchmark),
profile-*.csv (of Nsight Compute: --csv --page raw). A file that cannot be read is named in a line
below the tables, and makes the exit code 1.
"""
import collections
import csv
import json
import pathlib
import sys

from kernel_report import short_name

MODES = ("eager", "compiled", "graph")  # of PyTorch
WIDEST_NAME = 60
UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "s": 1, "b": 1, "K": 1e3, "M": 1e6, "G": 1e9}


class Malformed(Exception):
    """In a line: what was found in a file, and what was expected."""


def table(head, rows):
    return "\n".join(["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)] +
                     ["| " + " | ".join(row) + " |" for row in rows] + [""])


def quotient(a, b, form="{:.2f}"):
    return form.format(a / b) if a is not None and b else "-"


def number(value, form="{:.3f}"):
    return "-" if value is None else form.format(value)


def read_list(path, key, program):
    """The objects under `key` of a JSON file that `program` wrote."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Malformed(f"found no JSON ({error}), expected the output of {program}") from error
    rows = found.get(key) if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Malformed(f"found no list '{key}', expected the output of {program}")
    return rows


# Steps.

def step_rows(path):
    results = read_list(path, "results", "basin bench step --json")
    rows = []
    for ours in (r for r in results if r["engine"] == "basin"):
        theirs = {r["engine"].split()[-1]: r["median_ms"] for r in results
                  if r["engine"] != "basin" and r["optimizer"] == ours["optimizer"]
                  and r["median_ms"] is not None}
        median, parts = ours["median_ms"], ours.get("parts_ms", {})
        passes = parts["forward"] + parts["backward"] if "backward" in parts else None
        beyond = None if passes is None else 100 * (median - passes)
        rows.append([ours["model"], str(ours["width"]), ours["precision"], ours["optimizer"],
                     number(median), *(number(theirs.get(mode)) for mode in MODES),
                     quotient(median, theirs.get("eager")),
                     quotient(median, min(theirs.values(), default=None)),
                     quotient(beyond, median, "{:.1f} %")])
    return rows


def steps(rows):
    return table(["network", "width", "precision", "optimizer", "Basin ms",
                  *(f"{mode} ms" for mode in MODES), "to eager", "to the best", "beyond passes"],
                 rows)


# Kernels.

Kernel = collections.namedtuple("Kernel", "name arguments seconds bytes_rate flops_rate label")


def kernel_of(run):
    name, *arguments = run["name"].removeprefix("cuda_").split("/")
    shown = [a for a in arguments if not a.endswith("_time") and not a.startswith("min_time:")]
    return Kernel(name, " ".join(shown), run["real_time"] * UNITS[run["time_unit"][0]],
                  run.get("bytes_per_second"), run.get("flops"), run.get("label", ""))


def copy_rate(kernel, copies):
    """Of the smallest copy that moves no fewer bytes than the kernel, or else of the largest."""
    sizes = sorted((copy.bytes_rate * copy.seconds, copy.bytes_rate) for copy in copies)
    # A millionth, as bytes come from a rate and a time, both rounded.
    wanted = kernel.bytes_rate * kernel.seconds * (1 - 1e-6)
    return next((rate for size, rate in sizes if size >= wanted), sizes[-1][1] if sizes else None)


def kernels(path):
    runs = [run for run in read_list(path, "benchmarks", "Google Benchmark")
            if run.get("run_type") != "aggregate"]
    all_kernels = [kernel_of(run) for run in runs if not run.get("error_occurred")]
    copies = [kernel for kernel in all_kernels if kernel.name == "copy" and kernel.bytes_rate]
    streams, products = [], []
    for kernel in (kernel for kernel in all_kernels if kernel.bytes_rate):
        cells = [f"{1e6 * kernel.seconds:.2f}", f"{kernel.bytes_rate / 1e9:.0f}",
                 quotient(kernel.bytes_rate, copy_rate(kernel, copies))]
        named = [f"`{kernel.name}`", kernel.arguments]
        if kernel.name.startswith(("conv_", "gemm")):
            products.append([*named, quotient(kernel.flops_rate, 1e12, "{:.1f}"), *cells,
                             kernel.label.replace("|", "/")])
        else:
            streams.append([*named, *cells])
    head = ["us", "GB/s", "share of the copy"]
    parts = [table(["kernel", "arguments", *head], streams)] if streams else []
    if products:
        parts.append(table(["product", "arguments", "TFLOP/s", *head, "engine"], products))
    parts += [f"{run['name']}: not measured: {run.get('error_message', 'no reason was given')}"
              for run in runs if run.get("error_occurred")]
    return "\n".join(parts)


# Profiles.

Launch = collections.namedtuple("Launch", "name seconds bytes")


def shown_name(signature):
    if "run_body<" in signature or "run_bounded_body<" in signature:
        return short_name(signature)[0]
    name = signature.removeprefix("void ").split("(")[0]
    return name if len(name) <= WIDEST_NAME else name[:WIDEST_NAME - 1] + "…"


def launches_of(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = list(csv.reader(line for line in lines if line.startswith('"')))
    time, moved = "gpu__time_duration.sum", "dram__bytes.sum"
    if len(rows) < 3 or not {"Kernel Name", time} <= set(rows[0]):
        said = f" ({lines[-1]})" if lines else ""
        raise Malformed(f"found no launches{said}, expected columns 'Kernel Name' and '{time}', "
                        "their units, and a line a launch: Nsight Compute's --csv --page raw")
    units = dict(zip(*rows[:2]))

    def value(cells, column):
        text = cells.get(column, "").replace(",", "")
        return None if text in ("", "n/a") else float(text) * UNITS[units[column][0]]

    launches = []
    for row in rows[2:]:
        cells = dict(zip(rows[0], row))
        launches.append(Launch(shown_name(cells["Kernel Name"]), value(cells, time) or 0,
                               value(cells, moved)))
    return launches


def one_step(launches):
    """The launches between two descents, or up to the first; the other where it ends a step."""
    ends = [i + 1 for i, launch in enumerate(launches) if "MomentumDescent" in launch.name]
    if len(ends) > 1:
        return launches[ends[0]:ends[1]], True
    return (launches[:ends[0]], True) if ends else (launches, False)


def profile(path):
    launches, whole = one_step(launches_of(path))
    groups = collections.defaultdict(list)
    for launch in launches:
        groups[launch.name].append(launch)
    total = sum(launch.seconds for launch in launches)
    rows = []
    for name, group in groups.items():
        seconds = sum(launch.seconds for launch in group)
        moved = None if any(launch.bytes is None for launch in group) else sum(
            launch.bytes for launch in group)
        rows.append((seconds, [f"`{name}`", str(len(group)), f"{1e6 * seconds:.1f}",
                               quotient(100 * seconds, total, "{:.1f} %"),
                               quotient(moved, 1e9 * seconds, "{:.0f}")]))
    rows.sort(key=lambda row: -row[0])
    title = (f"{path.stem.removeprefix('profile-')}: {len(launches)} launches, "
             f"{1e6 * total:.0f} us, " + ("one step" if whole else "no whole step: no descent"))
    return "\n" + title + "\n" + table(["kernel", "launches", "us", "share", "DRAM GB/s"],
                                       [row for _, row in rows])


def read(path, reader, problems):
    """What the reader makes of the file, or None and a line more in `problems`."""
    try:
        return reader(path)
    except (Malformed, OSError, UnicodeError) as error:
        problem = error
    except (AttributeError, LookupError, TypeError, ValueError, csv.Error) as error:
        problem = f"found a row that is not as expected ({type(error).__name__}: {error})"
    problems.append(f"{path.name}: {problem}")
    return None


def tables(folder):
    """The tables' texts, and a line for each file that is not as it should be."""
    problems = []
    rows = []
    for path in sorted(folder.glob("step-*.json")):
        rows += read(path, step_rows, problems) or []
    found = [steps(rows)] if rows else []
    for path in sorted(folder.glob("kernels.json")):
        found.append(read(path, kernels, problems))
    for path in sorted(folder.glob("profile-*.csv")):
        found.append(read(path, profile, problems))
    found = [text for text in found if text]
    if not found and not problems:
        found = ["No step-*.json, kernels.json or profile-*.csv: nothing was measured."]
    return found, problems


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(sys.argv[1])
    if not folder.is_dir():
        print(f"gpu_tables: found no folder {folder}", file=sys.stderr)
        return 2
    found, problems = tables(folder)
    print("\n".join(found + problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
