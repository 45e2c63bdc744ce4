"""A step's cost against batch, width, parameters and threads, with fitted lines."""
from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save


def power(fit):
    """What a fitted line says: batch^(0.97 ± 0.01), the exponent set as one."""
    error = f" \\pm {fit['standard_error']:.2f}" if fit["standard_error"] is not None else ""
    return f"{fit['x']}$^{{\\,{fit['exponent']:.2f}{error}}}$"


def draw_scaling(axis, points, fits, x_name, y_name, color, marker):
    """One quantity against another, both in logarithms: medians, bars from min to max, and the fitted line."""
    spreads = [p["update_ms"] if y_name == "update" else {k: p[k + "_ms"] for k in ("median", "min", "max")}
               for p in points]
    xs = [p[x_name] for p in points]
    medians = [s["median"] for s in spreads]
    bars = [[s["median"] - s["min"] for s in spreads], [s["max"] - s["median"] for s in spreads]]
    fitted = [f for f in fits if f["y"] == y_name]
    label = f"{y_name} ∝ {', '.join(map(power, fitted))}" if fitted else f"{y_name}, not fitted"
    axis.errorbar(xs, medians, yerr=bars, color=color, marker=marker, markersize=5, linestyle="none", capsize=2.5,
                  elinewidth=1, zorder=3)
    line = next((f for f in fitted if f["x"] == x_name), None)
    ys = [line["coefficient_ms"] * x ** line["exponent"] for x in xs] if line else medians
    axis.plot(xs, ys, color=color, linewidth=1.4, alpha=0.8, label=label)


def log_ticks(axis, values, labels=None):
    """Ticks at the measured values alone; where they stand close, at every other one, the last included."""
    shown = range(len(values)) if len(values) <= 6 else range((len(values) - 1) % 2, len(values), 2)
    axis.set_major_locator(matplotlib.ticker.FixedLocator([values[i] for i in shown]))
    axis.set_major_formatter(matplotlib.ticker.FixedFormatter([str((labels or values)[i]) for i in shown]))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())


def plot_scaling(args):
    """How a step's cost grows with batch, with width and parameters, and with threads."""
    run = read_json(args.results)
    of = {name: [r for r in run["results"] if r["axis"] == name] for name in ("batch", "width", "threads")}
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    for axis, (name, points) in zip(axes, of.items()):
        fits = [f for f in run["fits"] if f["axis"] == name]
        # A network without a width has the same parameters throughout.
        counts = {p["parameters"] for p in points}
        x_name = "parameters" if name == "width" and len(counts) == len(points) else name
        xs = [p[x_name] for p in points]
        axis.set(xscale="log", yscale="log", xlabel=x_name)
        draw_scaling(axis, points, fits, x_name, "step", BLUE, "o")
        if x_name == "parameters":
            draw_scaling(axis, points, fits, x_name, "update", ORANGE, "s")
            top = axis.secondary_xaxis("top")
            top.set_xlabel("width")
            log_ticks(top.xaxis, xs, [p["width"] for p in points])
        if name == "threads" and len(points) > 1:
            first = points[0]
            axis.plot(xs, [first["median_ms"] * xs[0] / x for x in xs], color="#999999", linestyle="--",
                      linewidth=1, label="ideal, 1 / threads")
            for p in points[1:]:
                axis.annotate(f"× {p['speed_up']:.2f}", (p["threads"], p["median_ms"]), xytext=(4, 26), color=BLUE,
                              textcoords="offset points", ha="right", fontsize=9)
        if x_name != "parameters":
            log_ticks(axis.xaxis, xs)
        axis.margins(x=0.08, y=0.12)
        low, high = axis.get_ylim()
        axis.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
        axis.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
        axis.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axis.grid(alpha=0.25)
        axis.spines[["right"] if x_name == "parameters" else ["top", "right"]].set_visible(False)
        # Below the panel: points may lie anywhere in it.
        axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.17))
    axes[0].set_ylabel("ms")
    first, context = of["batch"][0], run["context"]
    figure.suptitle(f"a step of {first['model']} ({first['optimizer']}) around width {first['width']}, "
                    f"batch {of['width'][0]['batch']}, {first['threads']} threads, on {context['processor']}, "
                    f"{context['date']}", fontsize=9, x=0.01, ha="left")
    figure.get_layout_engine().set(w_pad=0.12)
    save(figure, args.out)
