#!/usr/bin/env python3
"""One epoch of Fashion-MNIST with SAM in PyTorch, loader included: what `basin train --augment` does.

    torch_epoch.py --data-dir /usr/share/datasets/fashion-mnist --model resnet_tiny_gn [--compile]

The network is the step peer's: channels_last, foreach updates, the whole batch at once; crop (4
pixels) and flip of a batch by tensor indexing; the rate falls from 0.1 to 0. Prints the seconds of
training and of evaluation, and the test accuracy; a warm-up step, which compiles, is not counted.
"""
import argparse
import gzip
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from torch_server import make, step

PEAK_RATE, PADDING = 0.1, 4


def read_idx(folder, name, header):
    with gzip.open(os.path.join(folder, name + ".gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def dataset(folder, part):
    """Bytes [n, 32, 32], padded from 28 x 28, and labels [n]."""
    images = torch.from_numpy(read_idx(folder, part + "-images-idx3-ubyte", 16).copy()).view(-1, 28, 28)
    labels = torch.from_numpy(read_idx(folder, part + "-labels-idx1-ubyte", 8).copy()).long()
    return F.pad(images, (2, 2, 2, 2)), labels


def network_input(images):
    return (images.float() / 255).unsqueeze(1).contiguous(memory_format=torch.channels_last)


def augmented(x):
    """A crop of each image padded by 4, and a flip, gathered by index."""
    n, h, w = x.shape
    rows = torch.randint(0, 2 * PADDING + 1, (n, 1)) + torch.arange(h)
    columns = torch.randint(0, 2 * PADDING + 1, (n, 1)) + torch.arange(w)
    columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
    x = F.pad(x, (PADDING,) * 4)
    return x[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--model", default="resnet_tiny_gn")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rho", type=float, default=0.1)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = make(args.model, args.width, cin=1).to(memory_format=torch.channels_last)
    run = torch.compile(net) if args.compile else net
    params = list(net.parameters())
    velocity = [torch.zeros_like(p) for p in params]
    x, y = dataset(args.data_dir, "train")

    def train(batch, labels, rate):
        images = network_input(augmented(batch))

        def gradient():
            for p in params:
                p.grad = None
            F.cross_entropy(run(images), labels).backward()
            return [p.grad for p in params]

        step(params, velocity, gradient, "sam", args.rho, rate)

    net.train()
    train(x[:args.batch], y[:args.batch], 0.0)
    for v in velocity:
        v.zero_()
    start = time.perf_counter()
    order, steps = torch.randperm(len(x)), len(x) // args.batch
    for i in range(steps):
        take = order[i * args.batch:(i + 1) * args.batch]
        train(x[take], y[take], PEAK_RATE * (1 - (i + 1) / steps))
    trained = time.perf_counter()
    net.eval()
    x, y = dataset(args.data_dir, "t10k")
    with torch.no_grad():
        batches = zip(x.split(args.batch), y.split(args.batch))
        correct = sum(int((run(network_input(a)).argmax(1) == b).sum()) for a, b in batches)
    print(f"training {trained - start:.1f} s, evaluation {time.perf_counter() - trained:.1f} s, "
          f"test accuracy {100 * correct / len(x):.2f} %")


if __name__ == "__main__":
    main()
