#!/usr/bin/env python3
"""Markdown tables of what tools/gpu_check.sh measured.

    gpu_tables.py FOLDER STEP.json...    (FOLDER/kernels.json too, where it is there)
"""
import json
import os
import sys


def table(head, rows):
    return "\n".join(["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)] +
                     ["| " + " | ".join(row) + " |" for row in rows])


def steps(paths):
    rows = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            results = json.load(file)["results"]
        for ours in (r for r in results if r["engine"] == "basin"):
            theirs = {r["engine"].split()[-1]: r["median_ms"] for r in results
                      if r["engine"] != "basin" and r["optimizer"] == ours["optimizer"]}
            parts, best = ours["parts_ms"], min(theirs.values(), default=None)
            update = parts["norm"] + parts["ascent"] + parts["descent"]
            ratio = "-" if best is None else f"{ours['median_ms'] / best:.2f}"
            rows.append([ours["model"], str(ours["width"]), ours["precision"], ours["optimizer"],
                         f"{ours['median_ms']:.3f}"] +
                        [f"{theirs[m]:.3f}" if m in theirs else "-"
                         for m in ("eager", "compiled", "graph")] +
                        [ratio, f"{100 * update / ours['median_ms']:.1f} %"])
    return table(["network", "width", "precision", "optimizer", "Basin ms", "eager", "compiled", "graph",
                  "ratio to the best", "norm, ascent, descent"], rows)


def kernels(path):
    with open(path, encoding="utf-8") as file:
        runs = json.load(file)["benchmarks"]
    fastest = max((r["bytes_per_second"] for r in runs if "copy" in r["name"]), default=0)
    rows = [[r["name"], f"{r['real_time']:.1f} {r['time_unit']}", f"{r['bytes_per_second'] / 1e9:.0f}",
             f"{r['bytes_per_second'] / fastest:.2f}" if fastest else "-"]
            for r in runs if "bytes_per_second" in r]
    return table(["kernel", "time", "GB/s", "share of the copy"], rows)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print(steps(sys.argv[2:]))
    path = os.path.join(sys.argv[1], "kernels.json")
    if os.path.exists(path):
        print(kernels(path))


if __name__ == "__main__":
    main()
