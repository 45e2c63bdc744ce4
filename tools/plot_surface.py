"""The loss between two checkpoints, or in a random plane around one (`basin surface`)."""
import math
import os
import sys

from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save

STYLES = {"train": {"linestyle": "--", "color": BLUE}, "test": {"linestyle": "-", "color": ORANGE}}


def values_of(points, split, name):
    """One quantity at every point; what is not finite is a gap."""
    return [math.nan if p[split][name] is None else p[split][name] for p in points]


def short(path):
    """What to call a checkpoint: the folder of its run."""
    return os.path.basename(os.path.dirname(os.path.abspath(path)))


def spans_decades(values):
    finite = [v for v in values if math.isfinite(v)]
    return bool(finite) and 0 < min(finite) and max(finite) > 20 * min(finite)


def draw_curves(figure, run, splits, axis_name, marks):
    """Loss and error along one axis: train dashed, test solid; `marks` are (place, name)."""
    points = run["points"]
    xs = [p[axis_name] for p in points]
    axes = figure.subplots(1, 2)
    for axis, name, factor in zip(axes, ("loss", "error"), (1, 100)):
        for split in splits:
            ys = [factor * v for v in values_of(points, split, name)]
            axis.plot(xs, ys, linewidth=1.8, label=split, **STYLES[split])
        for x, label in marks:
            if xs[0] <= x <= xs[-1]:
                axis.axvline(x, color="#777777", linewidth=0.9, linestyle=":", zorder=0)
                axis.annotate(label, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
                              textcoords="offset points", ha="center", fontsize=8.5)
        axis.set_xlabel(axis_name)
        axis.set_xlim(xs[0], xs[-1])
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    losses = [v for split in splits for v in values_of(points, split, "loss")]
    if spans_decades(losses):
        axes[0].set_yscale("log")
        axes[0].yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes[0].set_ylabel("loss")
    axes[1].set_ylabel("error (%)")
    axes[0].legend(frameon=False)


def draw_planes(figure, run, splits):
    """The loss of each split over two directions, as filled contours on one scale."""
    points = run["points"]
    xs, ys = (sorted({p[name] for p in points}) for name in ("a", "b"))
    losses = {split: values_of(points, split, "loss") for split in splits}
    finite = [v for values in losses.values() for v in values if math.isfinite(v)]
    if not finite:
        sys.exit("plot.py: found no finite loss")
    low, high = min(finite), max(max(finite), min(finite) * 1.001 + 1e-12)
    log = spans_decades(finite)
    step = 16
    levels = [low * (high / low) ** (k / step) if log else low + (high - low) * k / step for k in range(step + 1)]
    levels[0], levels[-1] = low, high
    norm = matplotlib.colors.LogNorm(low, high) if log else matplotlib.colors.Normalize(low, high)
    axes = figure.subplots(1, len(splits), squeeze=False)[0]
    for axis, split in zip(axes, splits):
        rows = [losses[split][k * len(xs):(k + 1) * len(xs)] for k in range(len(ys))]
        filled = axis.contourf(xs, ys, rows, levels, cmap="viridis", norm=norm)
        axis.contour(xs, ys, rows, levels[1:-1], colors="white", linewidths=0.4, alpha=0.6)
        axis.plot(0, 0, marker="+", color="white", markersize=10, markeredgewidth=2.4)
        axis.plot(0, 0, marker="+", color=ORANGE, markersize=9, markeredgewidth=1.3)
        axis.set(xlabel="a", title=f"{split} loss", aspect="equal")
        axis.title.set_fontsize(10)
    axes[0].set_ylabel("b")
    bar = figure.colorbar(filled, ax=axes, format="%.3g", ticks=levels[::4])
    bar.ax.minorticks_off()
    bar.set_label("loss")


def plot_surface(args):
    """A line or a plane of `basin surface`."""
    run = read_json(args.surface)
    splits = [split for split in STYLES if split in run["points"][0]]
    where = f"{run['model']}, width {run['width']}, on {run['dataset']}, the first {run['examples']} examples"
    plane = "b" in run["points"][0]
    size = (1 + 4 * len(splits), 4.2) if plane else (9.5, 3.7)
    figure = plt.figure(figsize=size, layout="constrained")
    if run["kind"] == "line":
        names = [f"w{k} ({short(path)})" for k, path in enumerate(run["between"], 1)]
        draw_curves(figure, run, splits, "t", list(zip((0, 1), names)))
        about = "w(t) = (1 − t) w1 + t w2"
    else:
        place = "w + a x + b y" if plane else "w + a x"
        about = f"{place} around w ({short(run['checkpoint'])}), random directions, filter-normalised"
        if plane:
            draw_planes(figure, run, splits)
        else:
            draw_curves(figure, run, splits, "a", [(0, "w")])
    figure.suptitle(f"{about}: {where}", fontsize=9, x=0.01, ha="left")
    save(figure, args.out)
