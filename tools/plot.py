#!/usr/bin/env python3
"""Pictures of Basin's result files: `plot.py run METRICS.jsonl --out plot.png`."""
import argparse
import json
import os
import sys

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("plot.py: needs matplotlib (Debian: python3-matplotlib)")

BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart by colour-blind readers too


def rows(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: {path}: {error}")


def plot_run(args):
    """Loss and accuracy of a training run: windows of steps, and the test set at each epoch."""
    epochs = rows(args.metrics)
    windows_path = os.path.join(os.path.dirname(args.metrics), "progress.jsonl")
    windows = rows(windows_path) if os.path.exists(windows_path) else []
    if not epochs:
        sys.exit(f"plot.py: {args.metrics}: no epoch is in it")
    steps_per_epoch = epochs[0]["step"] / epochs[0]["epoch"]
    by_window = len(windows) > 1
    train_rows = windows if by_window else epochs
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for axis, key, scale, label in ((axes[0], "loss", 1, "loss"), (axes[1], "accuracy", 100, "accuracy (%)")):
        axis.plot([r["step"] / steps_per_epoch for r in train_rows], [scale * r["train_" + key] for r in train_rows],
                  color=BLUE, linewidth=1.2, label="training (20 steps)" if by_window else "training")
        axis.plot([r["epoch"] for r in epochs], [scale * r["test_" + key] for r in epochs], color=ORANGE,
                  marker="o", markersize=5, linewidth=1.5, clip_on=False, zorder=3, label="test")
        axis.annotate(f"{scale * epochs[-1]['test_' + key]:.3g}", (epochs[-1]["epoch"], scale * epochs[-1]["test_" + key]),
                      xytext=(-6, 8), textcoords="offset points", ha="right", color=ORANGE)
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
        axis.set_xlim(0, epochs[-1]["epoch"])
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(bottom=0)
    axes[0].legend(frameon=False)
    figure.suptitle(args.title, fontsize=11)
    figure.tight_layout()
    figure.savefig(args.out, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="a training run")
    run.add_argument("metrics", help="metrics.jsonl of the run")
    run.add_argument("--out", required=True, help="the PNG or SVG to write")
    run.add_argument("--title", default="")
    run.set_defaults(draw=plot_run)
    args = parser.parse_args()
    args.draw(args)


if __name__ == "__main__":
    main()
