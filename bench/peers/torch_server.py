#!/usr/bin/env python3
"""Times PyTorch's steps on request, so that `basin bench step --peer pytorch` can alternate with it.

    torch_server.py --model resnet_tiny_gn --width 16 --batch 128 --threads 2 [--device cuda]

A line on stdin, "MODE OPTIMIZER", asks for one step: eager, compiled, chunks (of 32 examples, one
gradient: networks without batch norm) or graph (one CUDA graph), with sgd or sam; loop:M or vmap:M
(torch_groups.py) with sam, where each M examples have a perturbation of their own. One is run untimed,
the next is timed. The answer is its milliseconds, or "none REASON" where PyTorch cannot.
channels_last, momentum 0.9; the foreach functions throughout. --precision float32, tf32 or bf16
(autocast).
"""
import argparse
import os
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/reference"))
from torch_groups import loop_gradient, vmap_gradient  # noqa: E402
from torch_step import make  # noqa: E402

WARM_UP, CHUNK, RHO, LEARNING_RATE, MOMENTUM = 3, 32, 0.1, 0.01, 0.9


def descend(params, velocity, g, rate):
    with torch.no_grad():
        torch._foreach_mul_(velocity, MOMENTUM)
        torch._foreach_add_(velocity, g)
        torch._foreach_add_(params, velocity, alpha=-rate)


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
    descend(params, velocity, g, rate)


class Step:
    """One mode's network, and its step on a fixed batch."""

    def __init__(self, mode, args):
        if mode == "chunks" and args.model in ("resnet_tiny", "resnet18"):
            raise ValueError("batch norm needs its batch whole")
        torch.manual_seed(0)
        self.device, self.narrow = torch.device(args.device), args.precision == "bf16"
        self.mode, _, size = mode.partition(":")
        self.group = int(size) if size else args.batch
        net = make(args.model, args.width).to(self.device, memory_format=torch.channels_last)
        self.params, self.batch = list(net.parameters()), args.batch
        self.velocity = [torch.zeros_like(p) for p in self.params]
        self.net = torch.compile(net) if mode == "compiled" else net
        self.images = torch.randn(args.batch, 3, 32, 32, device=self.device)
        self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 10, (args.batch,), device=self.device)
        self.chunk = CHUNK if mode == "chunks" else args.batch
        self.graphs = {} if mode == "graph" else None
        for _ in range(WARM_UP):
            self.run("sam")

    def gradient(self):
        for p in self.params:
            p.grad = None
        for x, y in zip(self.images.split(self.chunk), self.labels.split(self.chunk)):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.narrow):
                logits = self.net(x)
            (F.cross_entropy(logits.float(), y) * (len(y) / self.batch)).backward()
        return [p.grad for p in self.params]

    def step(self, optimizer):
        if self.mode in ("loop", "vmap"):
            if optimizer != "sam" or self.narrow:
                raise ValueError("groups are measured with sam, in float32")
            gradient = loop_gradient if self.mode == "loop" else vmap_gradient
            g = gradient(self.net, self.images, self.labels, self.group, RHO)
            return descend(self.params, self.velocity, g, LEARNING_RATE)
        step(self.params, self.velocity, self.gradient, optimizer, RHO, LEARNING_RATE)

    def capture(self, optimizer):
        """The step as a CUDA graph, after a few on a side stream, as PyTorch asks for."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.step(optimizer)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step(optimizer)
        return graph

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def run(self, optimizer):
        if self.graphs is not None and optimizer not in self.graphs:
            self.graphs[optimizer] = self.capture(optimizer)
        self.wait()
        start = time.perf_counter()
        if self.graphs is not None:
            self.graphs[optimizer].replay()
        else:
            self.step(optimizer)
        self.wait()
        return 1e3 * (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    for option in ("--width", "--batch", "--threads"):
        parser.add_argument(option, type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "tf32", "bf16"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
    torch.backends.cudnn.allow_tf32 = args.precision == "tf32"
    torch.backends.cudnn.benchmark = True  # its fastest convolutions
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
