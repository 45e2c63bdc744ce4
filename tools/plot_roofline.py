"""The roofline of a step: what each op reached, against what the machine allows."""
import math
import re
import sys

from plot_common import BLUE, ORANGE, matplotlib, plt, read_json, save

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
