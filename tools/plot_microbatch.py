"""What a step of m-SAM costs against the size of a group, in each execution, beside PyTorch's ways."""
from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save

# By engine and execution: colour, marker, line. PyTorch's are hollow.
STYLES = {("basin", "loop"): (BLUE, "o", "-"), ("basin", "grouped"): ("#009E73", "s", "-"),
          ("basin", "ghost"): ("#CC79A7", "D", "-"),
          ("pytorch", "loop"): (ORANGE, "o", "--"), ("pytorch", "vmap"): ("#E69F00", "^", "--")}


def plot_microbatch(args):
    """Milliseconds of a step over m, both in logarithms; SAM and SGD of either engine as level lines."""
    run = read_json(args.results)
    results, context = run["results"], run["context"]
    batch = results[0]["batch"]
    figure, axis = plt.subplots(figsize=(8.2, 4.8), layout="constrained")
    sizes = sorted({r["microbatch"] for r in results})
    for (engine, how), (color, marker, line) in STYLES.items():
        rows = sorted((r for r in results if (r["engine"], r["how"]) == (engine, how)),
                      key=lambda r: r["microbatch"])
        if not rows:
            continue
        medians = [r["median_ms"] for r in rows]
        bars = [[r["median_ms"] - r["min_ms"] for r in rows], [r["max_ms"] - r["median_ms"] for r in rows]]
        name = "Basin" if engine == "basin" else "PyTorch"
        axis.errorbar([r["microbatch"] for r in rows], medians, yerr=bars, color=color, marker=marker, linestyle=line,
                      markersize=5, capsize=2, linewidth=1.5, elinewidth=0.8, label=f"{name}, {how}",
                      markerfacecolor=color if engine == "basin" else "white", zorder=3)
    for engine, color in (("basin", BLUE), ("pytorch", ORANGE)):
        for how, line in (("sam", "-."), ("sgd", ":")):
            row = next((r for r in results if (r["engine"], r["how"]) == (engine, how)), None)
            if row is None:
                continue
            axis.axhline(row["median_ms"], color=color, linestyle=line, linewidth=1, alpha=0.7)
            axis.annotate(f"{how.upper()}, {row['median_ms']:.0f}", (1, row["median_ms"]),
                          xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
                          fontsize=8, color=color, annotation_clip=False)
    axis.set(xscale="log", yscale="log", xlabel=f"examples of a group, m (batch {batch})", ylabel="ms a step")
    axis.set_xticks(sizes, [str(m) for m in sizes])
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axis.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9)
    first = results[0]
    place = context.get("gpu") or f"{first['threads']} threads, {context['processor']}"
    axis.set_title(f"a step of m-SAM, {first['model']} width {first['width']}, {first['precision']}; {place}, "
                   f"{context['date']}", fontsize=9, loc="left")
    save(figure, args.out)
