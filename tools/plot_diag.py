"""Losses of a diagonal linear network along a run, or at the ends of a sweep (`basin diag`)."""
import csv
import math
import os
import sys

from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save

NAMES = {"gd": "GD", "sgd": "SGD", "nsam": "n-SAM", "1sam": "1-SAM"}
COLORS = {"gd": "#888888", "sgd": "#009E73", "nsam": BLUE, "1sam": ORANGE}
DASHES = ["-", "--", ":", "-."]


def read_curves(path):
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        sys.exit(f"plot.py: {path}: {error.strerror}")
    return {name: [float(row[name]) if row[name] else math.nan for row in rows]
            for name in ("iteration", "train_loss", "test_loss")}


def draw_curves(figure, run, folder):
    """Train and test loss against the number of updates, both logarithmic; of several stages, whose later ones
    would be a hair's breadth, the updates evenly."""
    curves = read_curves(os.path.join(folder, "curves.csv"))
    updates = [i + 1 for i in curves["iteration"]]
    switches = [run["steps"] - sum(stage["steps"] for stage in run["then"][k:])
                for k in range(len(run["then"]))]
    axes = figure.subplots(1, 2)
    for axis, split in zip(axes, ("train", "test")):
        ys = curves[f"{split}_loss"]
        axis.set_xscale("linear" if switches else "log")
        axis.set_yscale("log")
        axis.plot(updates, ys, color=COLORS[run["algorithm"]] if not switches else BLUE, linewidth=1.6)
        for switch, stage in zip(switches, run["then"]):
            axis.axvline(switch, color="#777777", linewidth=0.9, linestyle=":")
            axis.annotate(NAMES[stage["algorithm"]], (switch, 1), xycoords=("data", "axes fraction"),
                          xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8.5)
        if not any(math.isfinite(y) for y in ys):
            axis.annotate("no test examples", (0.5, 0.5), xycoords="axes fraction", ha="center")
        axis.set_xlabel("number of updates")
        axis.set_ylabel(f"{split} loss")
        axis.grid(alpha=0.25, which="both", linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    about = f"{NAMES[run['algorithm']]}, α = {run['alpha']:g}, γ = {run['gamma']:.4g}"
    if run["rho"]:
        about += f", ρ = {run['rho']:g}"
    for stage in run["then"]:
        rates = [f"{symbol} = {stage[name]:.4g}" for symbol, name in (("γ", "gamma"), ("ρ", "rho")) if name in stage]
        about += ", ".join([f"; then {NAMES[stage['algorithm']]}", *rates])
    if run["diverged_at"] is not None:
        about += f", diverged at iteration {run['diverged_at']}"
    return about


def swept(runs):
    """What the sweep is drawn against: the first of these that takes several values."""
    for name in ("rho", "alpha", "gamma", "seed"):
        values = {r[name] for r in runs if name != "rho" or r["algorithm"] in ("nsam", "1sam")}
        if len(values) > 1:
            return name
    return "rho"


def mean(values):
    return sum(values) / len(values) if values else math.nan


def draw_sweep(figure, run):
    """The ends' losses: a line for each algorithm and for each value of what is not on the axis."""
    runs = run["runs"]
    along = swept(runs)
    others = [name for name in ("alpha", "gamma", "rho") if name != along and len({r[name] for r in runs}) > 1
              and not (name == "rho" and along != "rho" and len({r["rho"] for r in runs if r["rho"]}) < 2)]
    groups = {}
    for r in runs:
        groups.setdefault((r["algorithm"], *(r[name] for name in others)), []).append(r)
    axes = figure.subplots(1, 2)
    for axis, split in zip(axes, ("train", "test")):
        positive = []
        for k, (key, members) in enumerate(groups.items()):
            label = ", ".join([NAMES[key[0]]] + [f"{n} {v:.3g}" for n, v in zip(others, key[1:])])
            style = {"color": COLORS[key[0]], "linestyle": DASHES[k % len(DASHES)] if others else "-",
                     "linewidth": 1.6, "label": label}
            xs = sorted({r[along] for r in members})
            ys = [mean([r[f"{split}_loss"] for r in members
                        if r[along] == x and r[f"{split}_loss"] is not None]) for x in xs]
            positive += [y for y in ys if math.isfinite(y) and y > 0]
            if along == "rho" and key[0] in ("gd", "sgd"):
                axis.axhline(ys[0], **style)
                continue
            axis.plot(xs, ys, marker="o", markersize=4, **style)
            for x in xs:
                if any(r[along] == x and r["diverged_at"] is not None for r in members):
                    axis.annotate("×", (x, 1), xycoords=("data", "axes fraction"), color=COLORS[key[0]],
                                  ha="center", va="center", fontsize=13)
        if along != "seed" and all(r[along] > 0 for r in runs if along != "rho" or r["rho"]):
            axis.set_xscale("log")
        values = sorted({r[along] for r in runs if along != "rho" or r["rho"]})
        if len(values) <= 8:
            axis.set_xticks(values, [f"{x:.3g}" for x in values])
            axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        if positive and max(positive) > 20 * min(positive):
            axis.set_yscale("log")
            axis.grid(alpha=0.25, which="both", linewidth=0.5)
        else:
            axis.grid(alpha=0.25)
        axis.set_xlabel({"rho": "ρ, the radius", "alpha": "α", "gamma": "γ", "seed": "seed"}[along])
        axis.set_ylabel(f"{split} loss")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, fontsize=8.5)
    return "the mean over seeds" if along != "seed" and len({r["seed"] for r in runs}) > 1 else "ends of a sweep"


def plot_diag(args):
    """A run or a sweep of `basin diag`."""
    matplotlib.rcParams["axes.labelsize"] = 10
    run = read_json(args.summary)
    figure = plt.figure(figsize=(10, 3.8), layout="constrained")
    if "runs" in run:
        about = draw_sweep(figure, run)
    else:
        about = draw_curves(figure, run, os.path.dirname(os.path.abspath(args.summary)))
    what = f"n = {run['n']}, d = {run['d']}, {run['steps']} steps"
    figure.suptitle(f"diagonal linear network: {about} ({what})", fontsize=9.5, x=0.01, ha="left")
    save(figure, args.out)
