"""m-sharpness against the radius (`basin sharpness`)."""
import math

from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save

# Okabe and Ito's colours, told apart by colour-blind readers; the markers say the same.
LINES = ((BLUE, "o"), (ORANGE, "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#56B4E9", "v"), ("#E69F00", "P"))


def plot_sharpness(args):
    """The mean greatest increase of a batch's loss, a line for each m; the average case dashed."""
    run = read_json(args.sharpness)
    figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    drawn = []

    def draw(rows, **style):
        points = [(r["rho"], r["loss_increase"]) for r in rows if r["loss_increase"] is not None]
        if points:
            axis.plot(*zip(*points), linewidth=1.7, markersize=5, **style)
            drawn.extend(points)

    sizes = sorted({row["m"] for row in run["rows"]})
    for k, m in enumerate(sizes):
        color, marker = LINES[k % len(LINES)]
        draw([r for r in run["rows"] if r["m"] == m], color=color, marker=marker, label=f"m = {m}",
             linestyle="-" if k < len(LINES) else "-.")
    if run["average"]:
        draw(run["average"], color="black", marker=".", linestyle="--",
             label=f"average of {run['average'][0]['directions']} directions")
    radii, increases = ([p[k] for p in drawn] for k in (0, 1))
    plain = matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}")
    if radii and min(radii) > 0 and max(radii) >= 8 * min(radii):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(matplotlib.ticker.FixedLocator(sorted(set(radii))))
        axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axis.xaxis.set_major_formatter(plain)
    positive = [v for v in increases if v > 0 and math.isfinite(v)]
    if positive and len(positive) == len(increases) and max(positive) > 20 * min(positive):
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(plain)
    axis.set_xlabel("ρ" + (" (of |δ / w|)" if run["geometry"] == "adaptive" else ""))
    axis.set_ylabel("increase of the loss")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.suptitle(f"{'adaptive ' if run['geometry'] == 'adaptive' else ''}m-sharpness of {run['model']}, width "
                    f"{run['width']}, on {run['dataset']}, {run['examples']} {run['split']} examples", fontsize=9,
                    x=0.01, ha="left")
    save(figure, args.out)
