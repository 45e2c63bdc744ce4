#!/usr/bin/env python3
"""Steps of a diagonal linear network in NumPy beside `basin diag`, in turns (needs numpy).

    numpy_diagonal.py build/release/basin [--rounds 9]

n = 20, d = 30, float64, one thread (all threads for 1,000 trajectories at once). In each round every row
runs once; the fastest of its rounds counts. 1-SAM in NumPy is a loop over examples, as its authors have
it, or one array of [n, d] for all of them (`arrays`).
"""
import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy starts them
    os.environ[name] = "1"
import numpy as np  # noqa: E402

N, D, GAMMA, RHO, ALPHA = 20, 30, 0.1, 0.05, 0.1
NUMPY_STEPS, STEPS, MANY, MANY_STEPS = 3000, 300_000, 1000, 3000
# Multiply-adds of the products with X in a step; the rest is linear in n and d.
PRODUCTS = {"gd": 2 * N * D, "sgd": 2 * D, "nsam": 4 * N * D, "1sam": 5 * N * D}


def gd(x, y, u, v, _):
    g = x.T @ (x @ (u * v) - y) / N
    return u - GAMMA * g * v, v - GAMMA * g * u


def sgd(x, y, u, v, i):
    g = (x[i] @ (u * v) - y[i]) * x[i]
    return u - GAMMA * g * v, v - GAMMA * g * u


def nsam(x, y, u, v, _):
    g = x.T @ (x @ (u * v) - y) / N
    a, b = u + RHO * g * v, v + RHO * g * u
    g = x.T @ (x @ (a * b) - y) / N
    return u - GAMMA * g * b, v - GAMMA * g * a


def one_sam(x, y, u, v, _):
    r = x @ (u * v) - y
    du, dv = np.zeros(D), np.zeros(D)
    for k in range(N):
        s = 2 * RHO * r[k] * x[k]
        a, b = u + s * v, v + s * u
        g = (x[k] @ (a * b) - y[k]) * x[k] / N
        du += g * b
        dv += g * a
    return u - GAMMA * du, v - GAMMA * dv


def one_sam_arrays(x, y, u, v, _):
    s = 2 * RHO * (x @ (u * v) - y)[:, None] * x
    a, b = u + s * v, v + s * u
    g = (np.einsum("kj,kj->k", x, a * b) - y)[:, None] * x / N
    return u - GAMMA * (g * b).sum(0), v - GAMMA * (g * a).sum(0)


def numpy_seconds(step, steps):
    """Seconds a step."""
    np.random.seed(0)
    x, theta = np.random.randn(N, D), np.zeros(D)
    theta[:3] = 0.5
    y, u, v = x @ theta, ALPHA * np.ones(D), np.zeros(D)
    draws = np.random.randint(N, size=steps)
    start = time.perf_counter()
    for i in range(steps):
        u, v = step(x, y, u, v, draws[i])
    return (time.perf_counter() - start) / steps


def basin_seconds(basin, algorithm, trajectories, threads):
    """Seconds a step of one trajectory; of many, their wall time shared out."""
    steps = STEPS if trajectories == 1 else MANY_STEPS
    alphas = ",".join(f"{ALPHA + 1e-5 * k:.6g}" for k in range(trajectories))
    environment = {**os.environ, "PYTHONHOME": "/nonexistent", "OMP_WAIT_POLICY": "passive"}  # no picture
    environment.pop("OMP_NUM_THREADS")
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([basin, "diag", "--algorithm", algorithm, "--alpha", alphas, "--gamma", str(GAMMA),
                        "--rho", str(RHO), "--steps", str(steps), "--tests", "0", "--quiet",
                        "--threads", str(threads), "--out", out], env=environment, check=True)
        with open(os.path.join(out, "summary.json"), encoding="utf-8") as file:
            return 1 / json.load(file)["steps_per_second"]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found[1] if found else platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("basin", help="the program, as it was built")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    rows = {("numpy", "gd"): lambda: numpy_seconds(gd, NUMPY_STEPS),
            ("numpy", "sgd"): lambda: numpy_seconds(sgd, NUMPY_STEPS),
            ("numpy", "nsam"): lambda: numpy_seconds(nsam, NUMPY_STEPS),
            ("numpy", "1sam"): lambda: numpy_seconds(one_sam, NUMPY_STEPS // 10),
            ("arrays", "1sam"): lambda: numpy_seconds(one_sam_arrays, NUMPY_STEPS)}
    for algorithm in PRODUCTS:
        rows["one", algorithm] = lambda a=algorithm: basin_seconds(args.basin, a, 1, 1)
        rows["core", algorithm] = lambda a=algorithm: basin_seconds(args.basin, a, MANY, 1)
        rows["many", algorithm] = lambda a=algorithm: basin_seconds(args.basin, a, MANY, threads)
    best = {key: min(seconds) for key, seconds in
            zip(rows, zip(*[[measure() for measure in rows.values()] for _ in range(args.rounds)]))}
    print(f"{processor()}, {threads} threads, {datetime.date.today()}, NumPy {np.__version__}, "
          f"the fastest of {args.rounds} rounds")
    print(f"{'':>6} {'NumPy':>10} {'arrays':>10} {'one run':>9} {'times':>7} {MANY:>9} runs, 1 thread "
          f"{f'{threads} threads':>12} {'times':>7}   multiply-adds a ns: one run, a core of {MANY}")
    for algorithm, count in PRODUCTS.items():
        ns = {where: 1e9 * best[where, algorithm] for where in ("numpy", "one", "core", "many")}
        arrays = f"{1e9 * best['arrays', algorithm]:>7.0f} ns" if ("arrays", algorithm) in best else " " * 10
        print(f"{algorithm:>6} {ns['numpy']:>7.0f} ns {arrays} {ns['one']:>6.1f} ns {ns['numpy'] / ns['one']:>7.0f} "
              f"{ns['core']:>15.1f} ns     {ns['many']:>12.1f} ns {ns['numpy'] / ns['many']:>7.0f}   "
              f"{count / ns['one']:>6.1f} {count / ns['core']:>6.1f}")


if __name__ == "__main__":
    main()
