"""What the runs of an experiment wrote, as its TOML file names it."""
import csv
import json
import os
import sys
import tomllib


class Experiment:
    """An experiment's file, and the folder in which its runs lie."""

    def __init__(self, folder):
        self.folder = folder
        self.run = read_json(os.path.join(folder, "reproduced.json"))
        try:
            with open(self.run["experiment"], "rb") as file:
                self.spec = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError) as error:
            sys.exit(f"reproduce.py: {self.run['experiment']}: {error}")
        self.variables = {**self.spec.get("scale", {}).get(self.run["scale"], {}), **self.run["variables"]}
        # Those for which every run was made; none: runs without a seed's folder.
        self.seeds = [str(seed) for seed in self.run["seeds"]] or self.variables.pop("seeds", [None])

    def text(self, text, value=""):
        """`$name` by the scale's value, `{}` by `value`."""
        for name in sorted(self.variables, key=len, reverse=True):
            text = text.replace("$" + name, str(self.variables[name]))
        return text.replace("{}", value)

    def over(self, spec):
        """What stands for `{}`: a list, or a text of them with commas between."""
        found = spec.get("over", [""])
        return self.text(found).split(",") if isinstance(found, str) else found

    def path(self, run, file, seed):
        return os.path.join(self.folder, "runs", *([] if seed is None else [f"seed-{seed}"]), run, file)

    def rows(self, run, file, where=None, seed=None):
        """The rows of a CSV or JSON-lines file, or of a JSON file's "rows", that have the values of `where`."""
        path = self.path(run, file, seed)
        try:
            with open(path, encoding="utf-8") as opened:
                if file.endswith(".csv"):
                    found = [{key: number(text) for key, text in row.items()} for row in csv.DictReader(opened)]
                elif file.endswith(".json"):
                    found = json.load(opened)["rows"]
                else:
                    found = [json.loads(line) for line in opened]
        except (OSError, ValueError) as error:
            sys.exit(f"reproduce.py: {path}: {error}")
        return [row for row in found if all(same(row.get(key), value) for key, value in (where or {}).items())]

    def value(self, spec, value, seed):
        """The number that a [[compare]], or a series of points, asks of one run; None where it diverged."""
        run = self.text(spec["run"], value)
        if "file" in spec:
            where = {key: self.text(v, value) if isinstance(v, str) else v for key, v in spec.get("where", {}).items()}
            rows = self.rows(run, spec["file"], where, seed)
            if not rows:
                sys.exit(f"reproduce.py: {self.path(run, spec['file'], seed)}: found no row with {where}")
            row = rows[spec.get("row", -1)]
        else:
            row = read_json(self.path(run, "summary.json", seed))
        return column(row, spec.get("key", spec.get("y")))

    def values(self, spec, value=""):
        """That number of each seed; None where a run of any diverged."""
        found = [self.value(spec, value, seed) for seed in self.seeds]
        return None if None in found else found


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"reproduce.py: {path}: {error}")


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def same(found, wanted):
    """Equal as numbers, where both are."""
    a, b = number(str(found)), number(str(wanted))
    return abs(a - b) <= 1e-12 * abs(b) if isinstance(a, float) and isinstance(b, float) else a == b


def column(row, key):
    """A field of a row, or one less of it: "1 - test_accuracy"; None where it is empty or not finite."""
    name = key.removeprefix("1 - ")
    value = row.get(name)
    if not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        return None
    return 1 - value if name != key else value
