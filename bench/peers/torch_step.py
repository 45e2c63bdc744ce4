#!/usr/bin/env python3
"""Seconds of one SAM step of resnet_tiny_gn in PyTorch (eager, channels_last), whole and in chunks
of 32; and, given the program, of Basin's epoch rate beside it, alternating (needs torch).

    torch_step.py [build/release/basin]
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/reference"))
from torch_step import PreActResNet  # noqa: E402

BATCH, WIDTH, STEPS = 128, 16, 12


def sam_steps(net, images, labels, chunk):
    params = list(net.parameters())
    velocity = [torch.zeros_like(p) for p in params]

    def gradient():
        for p in params:
            p.grad = None
        for x, y in zip(images.split(chunk), labels.split(chunk)):
            (F.cross_entropy(net(x), y) * (len(y) / BATCH)).backward()
        return [p.grad.clone() for p in params]

    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        g = gradient()
        with torch.no_grad():
            scale = 0.1 / (torch.sqrt(sum((x**2).sum() for x in g)) + 1e-12)
            eps = [scale * x for x in g]
            torch._foreach_add_(params, eps)
        h = gradient()
        with torch.no_grad():
            torch._foreach_sub_(params, eps)
            torch._foreach_mul_(velocity, 0.9)
            torch._foreach_add_(velocity, h)
            torch._foreach_add_(params, velocity, alpha=-0.001)
        times.append(time.perf_counter() - start)
    return times


def basin_ms(program):
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([program, "train", "--dataset", "fashion-mnist", "--optimizer", "sam", "--rho", "0.1",
                        "--epochs", "1", "--train-size", str(BATCH * 40), "--test-size", "100", "--threads", "2",
                        "--out", out, "--quiet"], check=True)
        with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as file:
            return 1e3 * BATCH / json.loads(file.readline())["images_per_second"]


def main():
    torch.set_num_threads(2)
    torch.manual_seed(0)
    net = PreActResNet(1, WIDTH, True, cin=1).to(memory_format=torch.channels_last)
    images = torch.rand(BATCH, 1, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (BATCH,))
    results = {"torch whole": [], "torch chunks of 32": [], "basin": []}
    for _ in range(3):
        results["torch whole"] += sam_steps(net, images, labels, BATCH)[2:]
        results["torch chunks of 32"] += sam_steps(net, images, labels, 32)[2:]
        if len(sys.argv) > 1:
            results["basin"].append(basin_ms(sys.argv[1]) / 1e3)
    for name, times in results.items():
        if times:
            print(f"{name:<20} median {1e3 * statistics.median(times):7.1f} ms  min {1e3 * min(times):7.1f}"
                  f"  max {1e3 * max(times):7.1f}  ({len(times)} samples)")


if __name__ == "__main__":
    main()
