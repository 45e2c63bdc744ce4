#!/usr/bin/env python3
"""Times PyTorch's steps on request, so that `basin bench step --peer pytorch` can alternate with it.

    torch_server.py --model resnet_tiny_gn --width 16 --batch 128 --threads 2

A line on stdin, "MODE OPTIMIZER", asks for one step: eager, compiled, or chunks (of 32 examples, one
gradient: networks without batch norm), with sgd or sam: one is run untimed, the next is timed. The
answer is its milliseconds, or "none REASON" where PyTorch cannot. float32, channels_last, momentum
0.9; the foreach functions throughout.
"""
import argparse
import os
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/reference"))
from torch_step import make  # noqa: E402

WARM_UP, CHUNK, RHO, LEARNING_RATE, MOMENTUM = 3, 32, 0.1, 0.01, 0.9


def step(params, velocity, gradient, optimizer, rho, rate):
    """SAM's or SGD's step on `params`, with momentum; gradient() is that of the loss where they stand."""
    g = gradient()
    if optimizer == "sam":
        with torch.no_grad():
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(g)))
            eps = torch._foreach_mul(g, rho / (norm + 1e-12))
            torch._foreach_add_(params, eps)
        g = gradient()
        with torch.no_grad():
            torch._foreach_sub_(params, eps)
    with torch.no_grad():
        torch._foreach_mul_(velocity, MOMENTUM)
        torch._foreach_add_(velocity, g)
        torch._foreach_add_(params, velocity, alpha=-rate)


class Step:
    """One mode's network, and its step on a fixed batch."""

    def __init__(self, mode, args):
        if mode == "chunks" and args.model in ("resnet_tiny", "resnet18"):
            raise ValueError("batch norm needs its batch whole")
        torch.manual_seed(0)
        net = make(args.model, args.width).to(memory_format=torch.channels_last)
        self.params, self.batch = list(net.parameters()), args.batch
        self.velocity = [torch.zeros_like(p) for p in self.params]
        self.net = torch.compile(net) if mode == "compiled" else net
        self.images = torch.randn(args.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (args.batch,))
        self.chunk = CHUNK if mode == "chunks" else args.batch
        for _ in range(WARM_UP):
            self.run("sam")

    def gradient(self):
        for p in self.params:
            p.grad = None
        for x, y in zip(self.images.split(self.chunk), self.labels.split(self.chunk)):
            (F.cross_entropy(self.net(x), y) * (len(y) / self.batch)).backward()
        return [p.grad for p in self.params]

    def run(self, optimizer):
        start = time.perf_counter()
        step(self.params, self.velocity, self.gradient, optimizer, RHO, LEARNING_RATE)
        return 1e3 * (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    for option in ("--width", "--batch", "--threads"):
        parser.add_argument(option, type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(torch.__version__, flush=True)
    steps = {}
    for line in sys.stdin:
        mode, optimizer = line.split()
        try:
            if mode not in steps:
                steps[mode] = Step(mode, args)
            steps[mode].run(optimizer)  # wakes the threads, and brings the weights back to the caches
            print(f"{steps[mode].run(optimizer):.4f}", flush=True)
        except Exception as error:  # torch.compile fails in as many ways as there are machines
            print("none " + " ".join(str(error).split())[:200], flush=True)


if __name__ == "__main__":
    main()
