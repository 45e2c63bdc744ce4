#!/usr/bin/env python3
"""Pictures of Basin's result files: `plot.py run METRICS.jsonl --out plot.png`, `plot.py step B.json …`,
`plot.py roofline P.json`, `plot.py scaling S.json`, `plot.py microbatch M.json`, `plot.py surface S.json`,
`plot.py sharpness S.json`, `plot.py diag SUMMARY.json`, `plot.py relu1d SUMMARY.json`."""
import argparse
import json
import os
import sys

from plot_common import BLUE, ORANGE, plt, read_json, save
from plot_diag import plot_diag
from plot_microbatch import plot_microbatch
from plot_relu1d import plot_relu1d
from plot_roofline import plot_roofline
from plot_scaling import plot_scaling
from plot_sharpness import plot_sharpness
from plot_surface import plot_surface


def rows(path, keys):
    """The rows of a .jsonl file; each has a number under every key."""
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                row = json.loads(line)
                for key in keys:
                    if not isinstance(row, dict) or not isinstance(row.get(key), (int, float)):
                        sys.exit(f"plot.py: {path}:{number}: found no number '{key}'")
                found.append(row)
    except OSError as error:
        sys.exit(f"plot.py: {path}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"plot.py: {path}: found a line that is not JSON: {error}")
    return found


def draw_panel(axis, train, test, train_label):
    """One quantity against the epoch; train and test are pairs of lists."""
    dense = len(train[0]) > 40
    axis.plot(*train, color=BLUE, linewidth=1.2 if dense else 1.6, label=train_label,
              marker=None if dense else "s", markersize=3.5)
    axis.plot(*test, color=ORANGE, marker="o", markersize=5, linewidth=1.6, clip_on=False,
              zorder=3, label="test")
    axis.annotate(f"{test[1][-1]:.3g}", (test[0][-1], test[1][-1]), xytext=(6, 0),
                  textcoords="offset points", va="center", color=ORANGE, annotation_clip=False)
    axis.set_xlabel("epoch")
    axis.set_xlim(0, test[0][-1])
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def plot_run(args):
    """Loss and accuracy of a training run: windows of steps, and the test set at each epoch."""
    names = ("loss", "accuracy")
    epochs = rows(args.metrics, ("epoch", "step") + tuple(f"{part}_{name}" for name in names
                                                          for part in ("train", "test")))
    if not epochs:
        sys.exit(f"plot.py: {args.metrics}: found no epoch in it")
    path = os.path.join(os.path.dirname(args.metrics), "progress.jsonl")
    windows = rows(path, ("step", "train_loss", "train_accuracy")) if os.path.exists(path) else []
    by_window = len(windows) > 1
    train_rows = windows if by_window else epochs
    label = f"training ({windows[1]['step'] - windows[0]['step']} steps)" if by_window else "training"
    steps_per_epoch = epochs[-1]["step"] / epochs[-1]["epoch"]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for axis, name, scale in zip(axes, names, (1, 100)):
        train = ([row["step"] / steps_per_epoch for row in train_rows],
                 [scale * row["train_" + name] for row in train_rows])
        test = ([row["epoch"] for row in epochs], [scale * row["test_" + name] for row in epochs])
        draw_panel(axis, train, test, label)
    axes[0].set_ylabel("loss")
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylabel("accuracy (%)")
    axes[0].legend(frameon=False)
    figure.suptitle(args.title, fontsize=11)
    figure.tight_layout(w_pad=3)
    save(figure, args.out)


PARTS = {"forward": BLUE, "backward": "#56B4E9", "norm, ascent, descent": "#009E73", "between": "#BBBBBB"}


def step_bars(results):
    """The bars of one network's SAM step: (label, median, milliseconds by part), PyTorch's best mode last."""
    bars, peers = [], []
    for r in results:
        if r["optimizer"] != "sam":
            continue
        if "parts_ms" not in r:
            peers.append(r)
            continue
        p = r["parts_ms"]
        parts = [p["forward"], p["backward"], p["norm"] + p["ascent"] + p["descent"]]
        bars.append(("Basin", r["median_ms"], parts + [max(0.0, r["median_ms"] - sum(parts))]))
    if peers:
        best = min(peers, key=lambda r: r["median_ms"])
        bars.append((best["engine"].replace("pytorch", "PyTorch,"), best["median_ms"], [best["median_ms"]]))
    return bars


def plot_step(args):
    """Where a SAM step's time goes, beside PyTorch's best: a panel a network, each on its own scale."""
    runs = [read_json(path) for path in args.results]
    figure, axes = plt.subplots(len(runs), 1, figsize=(9, 0.5 + 0.95 * len(runs)), squeeze=False)
    for axis, run in zip(axes[:, 0], runs):
        bars = step_bars(run["results"])[::-1]
        for y, (_, median, parts) in enumerate(bars):
            left = 0.0
            for value, (part, color) in zip(parts, PARTS.items()):
                axis.barh(y, value, left=left, height=0.7, color=color if len(parts) > 1 else ORANGE)
                left += value
            text = f"{median:.0f} ms" if median >= 100 else f"{median:#.3g} ms"
            axis.annotate(text, (left, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        first = run["results"][0]
        axis.set_title(f"{first['model']}, width {first['width']}, batch {first['batch']}, {first['precision']}",
                       fontsize=9, loc="left", pad=2)
        axis.set_yticks(range(len(bars)), [label for label, _, _ in bars], fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.margins(x=0.12)
        axis.spines[["top", "right"]].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in PARTS.values()]
    figure.legend(handles, PARTS, ncol=4, frameon=False, fontsize=8, loc="lower right")
    context = runs[0]["context"]
    where = context["gpu"] if "gpu" in context else f"{context['processor']}, {context['threads']} threads"
    figure.suptitle(f"a SAM step on {where}, {context['date']}", fontsize=9, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0.03, 1, 0.98))
    save(figure, args.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="a training run")
    run.add_argument("metrics", help="metrics.jsonl of the run")
    run.add_argument("--out", required=True, help="the PNG or SVG to write")
    run.add_argument("--title", default="")
    run.set_defaults(draw=plot_run)
    step = commands.add_parser("step", help="where a SAM step's time goes")
    step.add_argument("results", nargs="+", help="files of `basin bench step --json`")
    step.add_argument("--out", required=True, help="the PNG or SVG to write")
    step.set_defaults(draw=plot_step)
    roofline = commands.add_parser("roofline", help="a step's ops under the machine's roofs")
    roofline.add_argument("profile", help="a file of `basin profile --json`")
    roofline.add_argument("--out", required=True, help="the PNG or SVG to write")
    roofline.set_defaults(draw=plot_roofline)
    scaling = commands.add_parser("scaling", help="a step against batch, width, parameters and threads")
    scaling.add_argument("results", help="the file of `basin bench scaling --json`")
    scaling.add_argument("--out", required=True, help="the PNG or SVG to write")
    scaling.set_defaults(draw=plot_scaling)
    microbatch = commands.add_parser("microbatch", help="a step of m-SAM against the size of its groups")
    microbatch.add_argument("results", help="the file of `basin bench microbatch --json`")
    microbatch.add_argument("--out", required=True, help="the PNG or SVG to write")
    microbatch.set_defaults(draw=plot_microbatch)
    surface = commands.add_parser("surface", help="the loss on a line or in a plane")
    surface.add_argument("surface", help="surface.json of `basin surface`")
    surface.add_argument("--out", required=True, help="the PNG or SVG to write")
    surface.set_defaults(draw=plot_surface)
    sharpness = commands.add_parser("sharpness", help="m-sharpness against the radius")
    sharpness.add_argument("sharpness", help="sharpness.json of `basin sharpness`")
    sharpness.add_argument("--out", required=True, help="the PNG or SVG to write")
    sharpness.set_defaults(draw=plot_sharpness)
    diag = commands.add_parser("diag", help="a run or a sweep of diagonal linear networks")
    diag.add_argument("summary", help="summary.json of `basin diag`, curves.csv beside it")
    diag.add_argument("--out", required=True, help="the PNG or SVG to write")
    diag.set_defaults(draw=plot_diag)
    relu1d = commands.add_parser("relu1d", help="what a one-hidden-layer ReLU network has learned")
    relu1d.add_argument("summary", help="summary.json of `basin relu1d`, its CSV files beside it")
    relu1d.add_argument("--out", required=True, help="the PNG or SVG to write")
    relu1d.set_defaults(draw=plot_relu1d)
    args = parser.parse_args()
    args.draw(args)


if __name__ == "__main__":
    main()
