#!/usr/bin/env python3
"""Loads checkpoints of `basin train` into PyTorch (needs torch, safetensors, Debian's Fashion-MNIST).

    torch_checkpoint.py build/release/basin

Each network is trained for an epoch on a few real images. load_state_dict takes its checkpoint as
it is, and on the test images PyTorch finds the loss and accuracy that summary.json has.
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from torch_step import make

FOLDER = "/usr/share/datasets/fashion-mnist"
TEST_SIZE = 700  # no multiple of the batch that evaluation takes


def idx(name, header):
    path = os.path.join(FOLDER, name)
    data = gzip.open(path + ".gz").read() if os.path.exists(path + ".gz") else open(path, "rb").read()
    return np.frombuffer(data, np.uint8, offset=header)


def main():
    program = sys.argv[1]
    pixels = idx("t10k-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)[:TEST_SIZE]
    images = F.pad(torch.from_numpy(pixels.astype(np.float32) / 255), (2, 2, 2, 2))
    labels = torch.from_numpy(idx("t10k-labels-idx1-ubyte", 8)[:TEST_SIZE].astype(np.int64))
    failed = 0
    for model in ("resnet_tiny", "resnet_tiny_gn", "resnet18", "resnet18_gn", "mlp"):
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([program, "train", "--model", model, "--width", "8", "--dataset", "fashion-mnist",
                            "--data-dir", FOLDER, "--train-size", "2000", "--test-size", str(TEST_SIZE),
                            "--optimizer", "sam", "--epochs", "1", "--quiet", "--out", out], check=True)
            checkpoint = load_file(os.path.join(out, "checkpoint.safetensors"))
            with open(os.path.join(out, "summary.json")) as file:
                summary = json.load(file)
        net = make(model, 8, 1)
        net.load_state_dict({k: v for k, v in checkpoint.items() if not k.startswith(("momentum/", "state/"))})
        net.eval()
        with torch.no_grad():
            logits = net(images)
        loss = F.cross_entropy(logits, labels).item()
        correct = (logits.argmax(1) == labels).sum().item()
        found = summary["test_loss"], round(summary["test_accuracy"] * TEST_SIZE)
        # A logit that ties by rounding may fall to either side.
        right = abs(found[0] - loss) <= 1e-5 * loss and abs(found[1] - correct) <= 1
        failed += not right
        print(f"{'ok  ' if right else 'FAIL'} {model}: test loss {found[0]:.7f}, {found[1]} right; "
              f"PyTorch {loss:.7f}, {correct}")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
