"""The figure of an experiment: panels of curves, points and levels."""
import textwrap

from plot_common import plt

# Told apart by colour-blind readers too (Okabe and Ito).
COLOURS = {"blue": "#0072B2", "orange": "#D55E00", "green": "#009E73", "pink": "#CC79A7", "yellow": "#E69F00",
           "sky": "#56B4E9", "black": "#000000", "silver": "#8A8A8A", "red": "#B2182B"}
CYCLE = ("blue", "orange", "green", "pink", "yellow", "sky", "black", "silver")


def pairs(rows, x, y, column):
    found = [(column(row, x), column(row, y)) for row in rows]
    return [list(values) for values in zip(*[p for p in found if None not in p])] or [[], []]


def draw_mean(axis, x, values, style, **options):
    """The mean of each place's values (one a seed), in a band from the least to the greatest."""
    line, = axis.plot(x, [sum(v) / len(v) for v in values], **style, **options)
    if any(len(v) > 1 for v in values):
        axis.fill_between(x, [min(v) for v in values], [max(v) for v in values], color=line.get_color(),
                          alpha=0.18, linewidth=0)


def draw_points(axis, experiment, series, style, label):
    points = [(float(value), experiment.values(series, value)) for value in experiment.over(series)]
    shown = [point for point in points if point[1] is not None]
    if shown:
        draw_mean(axis, *zip(*shown), style, marker=series.get("marker", "o"), markersize=5, label=label)
    lost = [x for x, values in points if values is None]
    if lost:
        axis.plot(lost, [0.97] * len(lost), "x", color=style["color"], clip_on=False,
                  transform=axis.get_xaxis_transform(), label=f"{label}: diverged")


def draw_level(axis, experiment, series, style, label):
    values = experiment.values(series)
    if values is not None:
        axis.axhline(sum(values) / len(values), label=label, **style)
        axis.axhspan(min(values), max(values), color=style["color"], alpha=0.15, linewidth=0)


def draw_curves(axis, experiment, panel, series, style, column):
    over = experiment.over(series)
    keys = series.get("x", panel.get("x")), series.get("y", panel.get("y"))
    for i, value in enumerate(over):
        curves = [pairs(experiment.rows(experiment.text(series["run"], value), series.get("file", "curves.csv"),
                                        series.get("where"), seed), *keys, column) for seed in experiment.seeds]
        x = min((curve[0] for curve in curves), key=len)  # as far as all seeds go
        values = [[y * series.get("y_scale", 1) for y in ys] for ys in zip(*[curve[1][:len(x)] for curve in curves])]
        draw_mean(axis, [v * series.get("x_scale", 1) + series.get("x_from", 0) for v in x], values, style,
                  alpha=1 if len(over) == 1 else 0.35 + 0.65 * i / (len(over) - 1), marker=series.get("marker"),
                  label=experiment.text(series.get("label", ""), value))


def draw_mark(axis, experiment, panel, series, style, label, column):
    rows = experiment.rows(experiment.text(series["run"]), series["file"], series.get("where"), experiment.seeds[0])
    x, y = pairs(rows, series.get("x", panel.get("x")), series.get("y", panel.get("y")), column)
    row = series.get("row", -1)
    axis.plot(x[row], y[row], marker=series.get("marker", "o"), markersize=9, linestyle="none", color=style["color"],
              label=label, zorder=5)


def draw_series(axis, experiment, panel, series, colour, column):
    """One entry of [[panel.series]]: a curve a run, a point a run, or a level."""
    style = {"linestyle": series.get("line", "-"), "color": COLOURS[colour], "linewidth": 1.6}
    label = experiment.text(series.get("label", ""))
    kind = series.get("kind", "curve")
    if kind == "points":
        draw_points(axis, experiment, series, style, label)
    elif kind == "level":
        draw_level(axis, experiment, series, style, label)
    elif kind == "mark":
        draw_mark(axis, experiment, panel, series, style, label, column)
    else:
        draw_curves(axis, experiment, panel, series, style, column)


def draw_figure(experiment, column):
    """Panels side by side, at most three in a row."""
    panels = experiment.spec.get("panel", [])
    if not panels:
        return None
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    width = 5.4 if across > 1 else 7
    figure, axes = plt.subplots(down, across, figsize=(width * across, 3.9 * down), squeeze=False,
                                constrained_layout=True)
    for axis in list(axes.flat)[len(panels):]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels):
        for i, series in enumerate(panel.get("series", [])):
            draw_series(axis, experiment, panel, series, series.get("colour", CYCLE[i % len(CYCLE)]), column)
        for x in panel.get("vertical", []):
            axis.axvline(x, color="#8A8A8A", linestyle="--", linewidth=1)
        axis.set_title(experiment.text(panel.get("title", "")), fontsize=10)
        axis.set_xlabel(panel.get("xlabel", panel.get("x", "")))
        axis.set_ylabel(panel.get("ylabel", ""))
        axis.set_xscale(panel.get("xscale", "linear"))
        axis.set_yscale(panel.get("yscale", "linear"))
        if "xlim" in panel:
            axis.set_xlim(*panel["xlim"])
        if "ylim" in panel:
            axis.set_ylim(*panel["ylim"])
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=8, frameon=False, title=panel.get("legend_title"), title_fontsize=8)
    figure.suptitle(textwrap.fill(experiment.text(experiment.spec["title"]), 65 * across), fontsize=11)
    return figure
