#!/usr/bin/env python3
"""Pictures of Basin's result files: `plot.py run METRICS.jsonl --out plot.png`, `plot.py step B.json …`,
`plot.py roofline P.json`."""
import argparse
import json
import math
import os
import re
import sys

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("plot.py: needs matplotlib (Debian: python3-matplotlib)")

BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart by colour-blind readers too


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


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: {path}: {error}")


def save(figure, path):
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: {path}: {error}")


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
    """The bars of one network's SAM step: (label, milliseconds by part), PyTorch's best mode last."""
    bars, peers = [], []
    for r in results:
        if r["optimizer"] != "sam":
            continue
        if "parts_ms" not in r:
            peers.append(r)
            continue
        p = r["parts_ms"]
        parts = [p["forward"], p["backward"], p["norm"] + p["ascent"] + p["descent"]]
        bars.append(("Basin", parts + [max(0.0, r["median_ms"] - sum(parts))]))
    if peers:
        best = min(peers, key=lambda r: r["median_ms"])
        bars.append((best["engine"].replace("pytorch", "PyTorch,"), [best["median_ms"]]))
    return bars


def plot_step(args):
    """Where a SAM step's time goes, beside PyTorch's best: a panel a network, each on its own scale."""
    runs = [read_json(path) for path in args.results]
    figure, axes = plt.subplots(len(runs), 1, figsize=(9, 0.5 + 0.95 * len(runs)), squeeze=False)
    for axis, run in zip(axes[:, 0], runs):
        bars = step_bars(run["results"])[::-1]
        for y, (label, parts) in enumerate(bars):
            left = 0.0
            for value, (part, color) in zip(parts, PARTS.items()):
                axis.barh(y, value, left=left, height=0.7, color=color if len(parts) > 1 else ORANGE)
                left += value
            text = f"{left:.0f} ms" if left >= 100 else f"{left:.3g} ms"
            axis.annotate(text, (left, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
        first = run["results"][0]
        axis.set_title(f"{first['model']}, width {first['width']}, batch {first['batch']}", fontsize=9, loc="left",
                       pad=2)
        axis.set_yticks(range(len(bars)), [label for label, _ in bars], fontsize=8)
        axis.tick_params(axis="x", labelsize=7)
        axis.margins(x=0.12)
        axis.spines[["top", "right"]].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in PARTS.values()]
    figure.legend(handles, PARTS, ncol=4, frameon=False, fontsize=8, loc="upper right")
    context = runs[0]["context"]
    figure.suptitle(f"a SAM step on {context['processor']}, {context['threads']} threads, {context['date']}",
                    fontsize=9, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    save(figure, args.out)


# By the first word of an op: how its rows are drawn (colour and marker say the same).
KINDS = (("convolution, product", ("conv2d", "linear", "matmul"), BLUE, "o"),
         ("norm + ReLU", ("group_norm_act", "batch_norm_act"), ORANGE, "s"),
         ("optimiser's kernel", ("norm", "ascent", "descent"), "#009E73", "^"),
         ("other", (), "#777777", "D"))


def kind_of(op):
    word = op.split(" ")[0]
    return next((kind for kind in KINDS if word in kind[1]), KINDS[-1])


def short_name(op):
    """"conv2d [16,32,32,16] [8,3,3,16] -> [16,32,32,8]" -> "conv 3×3, 16→8, 32×32"."""
    shapes = [[int(n) for n in text.split(",")] for text in re.findall(r"\[([\d,]+)\]", op)]
    word = op.split(" ")[0]
    if word == "conv2d":
        w, y = shapes[1], shapes[-1]
        return f"conv {w[1]}×{w[2]}, {w[3]}→{w[0]}, {y[1]}×{y[2]}"
    if word == "linear":
        return f"linear, {shapes[1][1]}→{shapes[1][0]}"
    sizes = "×".join(str(n) for n in (shapes[0][1:] or shapes[0]))
    if word.endswith("norm_act"):
        return f"{word[:5]} norm, {sizes}{' + residual' if len(shapes) > 4 else ''}"
    return f"{word}, {sizes}"


def place_numbers(axis, points, texts):
    """Writes a number beside each (x, y, area, number, color) that has one, clear of points and texts."""
    renderer, scale = axis.figure.canvas.get_renderer(), axis.figure.dpi / 72
    taken = [text.get_window_extent(renderer) for text in texts]
    for x, y, area, _, _ in points:
        px, py = axis.transData.transform((x, y))
        r = math.sqrt(area) / 2 * scale
        taken.append(matplotlib.transforms.Bbox.from_extents(px - r, py - r, px + r, py + r))
    for x, y, area, number, color in points:
        if not number:
            continue
        for step in range(120):  # around the point, then ever further away
            angle, away = math.pi * (step % 12 + 1) / 6, math.sqrt(area) / 2 + 6 + 5 * (step // 12)
            note = axis.annotate(number, (x, y), xytext=(away * math.cos(angle), away * math.sin(angle)),
                                 textcoords="offset points", ha="center", va="center", fontsize=8, color=color,
                                 fontweight="bold",
                                 arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5} if step > 11 else None)
            note.update_positions(renderer)
            box = matplotlib.text.Text.get_window_extent(note, renderer)  # of the number, without its line
            if not any(box.overlaps(other) for other in taken):
                break
            if step < 119:
                note.remove()
        taken.append(box)


def draw_roofs(axis, ceilings):
    """The cache's roof and the memory's, up to the products' rate; returns their labels."""
    top, (left, right) = ceilings["flops_per_second"] / 1e9, axis.get_xlim()
    labels = []
    for name, style, away in (("cache", "-", 4), ("memory", "--", -11)):
        slope = ceilings[name]["bytes_per_second"] / 1e9
        ridge = top / slope
        axis.plot([left, ridge, right], [slope * left, top, top], style, color="black", linewidth=1.2, zorder=1)
        ends = axis.transData.transform([(left, slope * left), (ridge, top)])
        angle = math.degrees(math.atan2(*(ends[1] - ends[0])[::-1]))
        labels.append(axis.annotate(f"{name}: {slope:.0f} GB/s", (left * 1.1, slope * left * 1.1), fontsize=8,
                                    xytext=(-away / 2, away), textcoords="offset points", rotation=angle,
                                    rotation_mode="anchor"))
        if name == "cache":
            labels.append(axis.annotate(f"products: {top:.0f} GFLOP/s", (ridge, top), xytext=(0, 4),
                                        textcoords="offset points", fontsize=8))
    return labels


def list_rows(figure, rows, step_ms):
    """The numbered rows, at the right."""
    lines = [("", "", "of the", "share of"), ("", "", "step", "its roof")]
    for number, row in enumerate(rows, 1):
        name = short_name(row["op"]) + ("" if row["pass"] == "update" else " " + row["pass"])
        lines.append((str(number), name, f"{100 * row['ms'] / step_ms:.1f} %", f"{row['share']:.2f}"))
    for k, (number, name, of_step, share) in enumerate(lines):
        y = 0.87 - 0.034 * k
        color = kind_of(rows[k - 2]["op"])[2] if k > 1 else "black"
        figure.text(0.64, y, number, fontsize=8, ha="right", color=color, fontweight="bold")
        figure.text(0.65, y, name, fontsize=8)
        figure.text(0.93, y, of_step, fontsize=8, ha="right")
        figure.text(0.99, y, share, fontsize=8, ha="right")


def plot_roofline(args):
    """What each op of a step reached, against what the machine's bandwidths and products allow."""
    run = read_json(args.profile)
    ceilings, step_ms, context = run["ceilings"], run["step_ms"], run["context"]
    top, bandwidth = ceilings["flops_per_second"] / 1e9, ceilings["memory"]["bytes_per_second"] / 1e9
    rows = sorted((row for row in run["rows"] if row["flops"] > 0 and row["ms"] > 0), key=lambda row: -row["ms"])
    if not rows:
        sys.exit(f"plot.py: {args.profile}: found no row with flops in it")
    points = [(row["intensity"], row["flops_per_second"] / 1e9, 20 + 900 * row["ms"] / step_ms) for row in rows]
    xs, ys, _ = zip(*points)
    figure = plt.figure(figsize=(11, 5.4))
    axis = figure.add_axes((0.065, 0.11, 0.54, 0.76))
    axis.set(xscale="log", yscale="log", xlim=(min(xs) / 1.8, max(max(xs), top / bandwidth) * 1.8),
             ylim=(min(min(ys), bandwidth * min(xs) / 1.8) / 1.8, max(max(ys), top) * 2))
    axis.set_xlabel("arithmetic intensity (flop/byte)")
    axis.set_ylabel("GFLOP/s, all threads")
    axis.grid(alpha=0.2)
    axis.spines[["top", "right"]].set_visible(False)
    labels = draw_roofs(axis, ceilings)
    for row, (x, y, area) in zip(rows, points):
        _, _, color, marker = kind_of(row["op"])
        axis.scatter(x, y, s=area, marker=marker, linewidth=1.3, edgecolor=color, zorder=2,
                     facecolor="white" if row["pass"] == "backward" else color, alpha=0.85)
    figure.canvas.draw()
    named = [row for row in rows if row["ms"] >= 0.01 * step_ms][:18]
    place_numbers(axis, [point + (str(i) if i <= len(named) else "", kind_of(row["op"])[2])
                         for i, (row, point) in enumerate(zip(rows, points), 1)], labels)
    list_rows(figure, named, step_ms)
    handles = [plt.Line2D([], [], color=color, marker=marker, linestyle="", label=label)
               for label, _, color, marker in KINDS if any(kind_of(row["op"])[0] == label for row in rows)]
    handles.append(plt.Line2D([], [], color="black", marker="o", markerfacecolor="white", linestyle="",
                              label="hollow: backward"))
    figure.legend(handles=handles, ncol=2, frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.63, 0.0))
    figure.text(0.01, 0.955, f"one step ({run['optimizer']}) of {run['model']}, width {run['width']}, batch "
                f"{run['batch']}, float32: {step_ms:.1f} ms", fontsize=11)
    winograd = any(row["op"].startswith("conv2d") and row["share"] > 1 for row in rows)
    figure.text(0.01, 0.915, f"{context['processor']}, {context['threads']} threads, {context['date']}; area: share of "
                "the step." + (" Above the roof: convolutions by Winograd's way, whose flops are the direct way's."
                               if winograd else ""), fontsize=8)
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
    args = parser.parse_args()
    args.draw(args)


if __name__ == "__main__":
    main()
