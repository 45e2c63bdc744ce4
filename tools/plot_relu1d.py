"""What a one-hidden-layer ReLU network has learned (`basin relu1d`): data, function, kinks."""
import csv
import os
import sys

from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save

KINK = 0.5  # smaller changes of slope are not counted


def read_columns(path, *names):
    """Numbers of a CSV file, a list for each name; lines with a gap are left out."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if all(row[name] for name in names)]
    except OSError as error:
        sys.exit(f"plot.py: {path}: {error.strerror}")
    return [[float(row[name]) for row in rows] for name in names]


def between(xs, ys, x):
    """The function at x, linear between its grid's points."""
    for x0, y0, x1, y1 in zip(xs, ys, xs[1:], ys[1:]):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return None


def limits(ys):
    """The notebook's, where both ends lie on their side of 0; else a margin."""
    low, high = min(ys), max(ys)
    if low < 0 < high:
        return 1.3 * low, 1.2 * high
    margin = 0.15 * (high - low) or 1
    return low - margin, high + margin


def plot_relu1d(args):
    """A run of `basin relu1d`."""
    matplotlib.rcParams["axes.labelsize"] = 10
    run = read_json(args.summary)
    folder = os.path.dirname(os.path.abspath(args.summary))
    data_x, data_y = read_columns(os.path.join(folder, "points.csv"), "x", "y")
    xs, fs = read_columns(os.path.join(folder, "function.csv"), "x", "f")
    places, changes = read_columns(os.path.join(folder, "kinks.csv"), "x", "slope_change")
    figure = plt.figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(xs, fs, color=BLUE, linewidth=1.8, label="f", zorder=2)
    counted = [x for x, change in zip(places, changes) if abs(change) > KINK]
    marks = [(x, between(xs, fs, x)) for x in counted]
    marks = [(x, y) for x, y in marks if y is not None]
    axis.plot([x for x, _ in marks], [y for _, y in marks], "|", color=BLUE, markersize=11,
              markeredgewidth=1.2, label=f"{run['kinks']} kinks", zorder=3)
    axis.plot(data_x, data_y, "o", color=ORANGE, markersize=6, label="data", zorder=4)
    axis.set_ylim(*limits(data_y))
    axis.set_xlabel("x")
    axis.set_ylabel("f(x)")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8.5, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    method = f"SAM, ρ = {run['rho']:g}" if run["rho"] else "gradient descent"
    if run["loss"] is None:
        result = f"diverged in step {run['iterations']}"
    else:
        result = f"loss {run['loss']:.2g} after {run['iterations']} steps"
    figure.suptitle(f"{run['units']} ReLU units, {method}, seed {run['seed']}: {result}", fontsize=9.5, x=0.01,
                    ha="left")
    save(figure, args.out)
