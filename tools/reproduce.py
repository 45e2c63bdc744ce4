#!/usr/bin/env python3
"""`reproduce.py FOLDER`: the report of an experiment whose runs `basin reproduce` has made: report.md,
table.txt, numbers.json, and, where matplotlib is, figure.png and figure.svg."""
import importlib.util
import json
import os
import statistics
import sys

from reproduce_data import Experiment, column


def comparisons(experiment):
    """Each number that the file names, beside what it should be."""
    found = []
    for spec in experiment.spec.get("compare", []):
        over = experiment.over(spec)
        expected = spec.get("expected", [None] * len(over))  # none: the paper gives no number
        if not isinstance(expected, list):
            expected = [expected]
        if len(expected) != len(over):
            sys.exit(f"reproduce.py: {experiment.run['experiment']}: found {len(expected)} expected values of "
                     f"'{spec['label']}', expected {len(over)}")
        for value, wanted in zip(over, expected):
            values = experiment.values(spec, value)
            row = {"label": experiment.text(spec["label"], value),
                   "measured": values and statistics.fmean(values), "expected": wanted,
                   "source": spec.get("source", ""),
                   "alike": spec.get("at", experiment.run["scale"]) == experiment.run["scale"]}
            if values and len(values) > 1:
                row |= {"values": values, "deviation": statistics.stdev(values)}
            found.append(row)
    return found


def shown(value):
    if value is None:
        return "diverged"
    return f"{value:.10g}" if abs(value) < 1e-3 or value != round(value, 6) else f"{value:g}"


def measured(row):
    if "deviation" in row:
        return f"{row['measured']:.4g} ± {row['deviation']:.2g}"
    return shown(row["measured"])


def difference(row):
    found, expected = row["measured"], row["expected"]
    if expected is None or found is None or not row["alike"]:  # of other data: no difference to speak of
        return ""
    return f"{found - expected:+.2g}" if expected == 0 else f"{100 * (found - expected) / abs(expected):+.2g} %"


def table(rows):
    lines = [("", "measured", "expected", "difference", "source")]
    lines += [(r["label"], measured(r), "" if r["expected"] is None else shown(r["expected"]), difference(r),
               r["source"]) for r in rows]
    return lines


def markdown(experiment, rows, picture):
    context, spec = experiment.run["context"], experiment.spec
    lines = [f"# {experiment.text(spec['title'])}", "", spec["source"], "", spec.get("shows", "").strip(), "",
             f"`{context['command']}`: {context['processor']}, {context['threads']} threads, {context['date']}, "
             f"{context['seconds']:.0f} s (runs that were done before not counted).", ""]
    if picture:
        lines += ["![the figure](figure.png)", ""]
    if len(experiment.seeds) > 1:
        lines += [f"Seeds {', '.join(experiment.seeds)}: mean ± standard deviation; in the figure, their mean, and a "
                  "band from the least to the greatest.", ""]
    if rows:
        lines += ["| " + " | ".join(line) + " |" for line in table(rows)]
        lines.insert(len(lines) - len(rows), "|---" * 5 + "|")
        lines.append("")
    lines += ["## Runs", ""]
    if len(experiment.seeds) > 1:
        lines += [f"Those of seed {experiment.seeds[0]}; the other seeds' differ in it alone.", ""]
    folder = os.path.dirname(experiment.path("", "", experiment.seeds[0]))
    for run in sorted(os.listdir(folder)):
        path = os.path.join(folder, run, "command.txt")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                lines.append(f"- {run}: `{file.read().strip().replace(experiment.folder + '/', '')}`")
    return "\n".join(lines) + "\n"


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    if len(sys.argv) != 2:
        sys.exit("reproduce.py: found no folder, expected `reproduce.py FOLDER`")
    experiment = Experiment(sys.argv[1])
    rows = comparisons(experiment)
    figure = None
    if importlib.util.find_spec("matplotlib") is not None:  # numbers are numbers without it
        from plot_common import save
        from plot_reproduce import draw_figure
        figure = draw_figure(experiment, column)
    if figure is not None:
        for suffix in ("png", "svg"):
            save(figure, os.path.join(experiment.folder, f"figure.{suffix}"))
    write(experiment.folder, "numbers.json", json.dumps(rows, indent=2) + "\n")
    widths = [max(len(line[i]) for line in table(rows)) for i in range(5)]
    write(experiment.folder, "table.txt", "".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in
                  enumerate(zip(line, widths))).rstrip() + "\n" for line in table(rows)))
    write(experiment.folder, "report.md", markdown(experiment, rows, figure is not None))


if __name__ == "__main__":
    main()
