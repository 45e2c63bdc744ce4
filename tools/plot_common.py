"""What all of Basin's pictures share."""
import json
import sys

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import matplotlib.ticker
except ImportError:
    sys.exit("plot.py: needs matplotlib (Debian: python3-matplotlib)")

BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart by colour-blind readers too


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: {path}: {error}")


def save(figure, path):
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        sys.exit(f"plot.py: {path}: {error}")
