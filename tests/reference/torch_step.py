#!/usr/bin/env python3
"""Compares `basin step` with PyTorch, number by number (needs torch and safetensors).

    torch_step.py build/release/basin [--quick]

For each model, norm, optimiser and precision: random weights and a random batch, one step there and
one here. float64: every tensor to 1e-9 relative. float32, against PyTorch's float64: at most 10
times the error of PyTorch's own float32, or 1e-5.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn


class Block(nn.Module):
    def __init__(self, norm, cin, cout, stride):
        super().__init__()
        self.bn1, self.bn2 = norm(cin), norm(cout)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False))

    def forward(self, x):
        a = F.relu(self.bn1(x))
        skip = self.shortcut(a) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(a)))) + skip


class PreActResNet(nn.Module):
    def __init__(self, blocks, width, group, classes=10, cin=3):
        super().__init__()
        norm = (lambda c: nn.GroupNorm(width // 2, c)) if group else nn.BatchNorm2d
        self.conv1 = nn.Conv2d(cin, width, 3, 1, 1, bias=False)
        channels = width
        for stage in range(4):
            layers = []
            for i in range(blocks):
                layers.append(Block(norm, channels, width << stage, 2 if stage and not i else 1))
                channels = width << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.bn = norm(channels)
        self.linear = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.conv1(x)
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.linear(F.relu(self.bn(x)).mean((2, 3)))


class Mlp(nn.Module):
    def __init__(self, width, cin=3):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(cin * 1024, width), nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class LinearNet(nn.Module):
    def __init__(self, cin=3):
        super().__init__()
        self.linear = nn.Linear(cin * 1024, 10, bias=False)

    def forward(self, x):
        return self.linear(x.flatten(1))


def make(model, width, cin=3):
    if model == "linear":
        return LinearNet(cin)
    if model == "mlp":
        return Mlp(width, cin)
    return PreActResNet(2 if "18" in model else 1, width, model.endswith("_gn"), cin=cin)


def reference_step(net, images, labels, sam, rho, lr, momentum, l2):
    """One step as the paper's trainer does it; returns what `basin step` writes."""
    names = [n for n, _ in net.named_parameters()]
    params = [p for _, p in net.named_parameters()]
    out = {}

    def gradient():
        logits = net(images)
        loss = F.cross_entropy(logits, labels)
        if l2:
            loss = loss + l2 / 2 * sum((p**2).sum() for p in params)
        return logits.detach(), loss.detach(), torch.autograd.grad(loss, params)

    start = [p.detach().clone() for p in params]
    out["logits"], out["loss"], g = gradient()
    out["loss_perturbed"] = out["loss"]
    buffers = {n: b.clone() for n, b in net.named_buffers()}
    h, eps = g, [torch.zeros_like(x) for x in g]
    if sam:
        norm = torch.sqrt(sum((x**2).sum() for x in g))
        eps = [rho / (norm + 1e-12) * x for x in g]
        with torch.no_grad():
            for p, e in zip(params, eps):
                p += e
        _, out["loss_perturbed"], h = gradient()
    with torch.no_grad():
        for name, p, w, a, e, b in zip(names, params, start, g, eps, h):
            v = momentum[name] * 0.9 + b
            out["gradient/" + name], out["epsilon/" + name] = a, e
            out["gradient_perturbed/" + name], out["momentum/" + name] = b, v
            out["weight/" + name] = w - lr * v
            p.copy_(w)
    out.update({"buffer/" + n: b for n, b in buffers.items()})
    return {k: v.detach().clone().contiguous() for k, v in out.items()}


def reference_groups(net, images, labels, rho, lr, momentum, l2, m):
    """The same of m-SAM: each m examples have a perturbation of their own, as the paper's trainer accumulates."""
    at_rest = {name: torch.zeros_like(v) for name, v in momentum.items()}
    groups, shares = [], []
    for x, y in zip(images.split(m), labels.split(m)):
        one = reference_step(net, x, y, True, rho, 0.0, at_rest, l2)
        for name, value in one.items():
            if name.startswith("buffer/"):  # the second pass has moved it once more
                net.get_buffer(name.removeprefix("buffer/")).copy_(value)
        groups.append(one)
        shares.append(len(y) / len(labels))
    out = {}
    for name, last in groups[-1].items():
        values = [one[name] for one in groups]
        if name == "logits":
            out[name] = torch.cat(values)
        elif name.startswith("epsilon/"):
            out[name] = torch.stack(values)
        else:
            out[name] = last if name.startswith("buffer/") else sum(s * v for s, v in zip(shares, values))
    for name, p in net.named_parameters():
        v = momentum[name] * 0.9 + out["gradient_perturbed/" + name]
        out["momentum/" + name], out["weight/" + name] = v, p.detach() - lr * v
    return out


def error(a, b):
    """|a - b| over |b|, as 2-norms; absolute where b is zero."""
    a, b = a.double(), b.double()
    scale = b.norm().item()
    return (a - b).norm().item() / (scale if scale > 0 else 1.0)


def executions(model, l2, m):
    """How Basin can replay groups of m."""
    if m == 0 or model in ("resnet_tiny", "resnet18"):  # batch norm
        return ("loop",)
    return ("loop", "grouped") if l2 > 0 else ("loop", "grouped", "ghost")


def compare(program, folder, model, width, sam, l2, seed, batch, double, m=0, execution="loop"):
    torch.manual_seed(seed)
    net = make(model, width).double()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("bias") or "bn" in name:
                p += 0.3 * torch.randn_like(p)
    images, labels = torch.rand(batch, 3, 32, 32, dtype=torch.float64), torch.randint(0, 10, (batch,))
    if not double:  # the very same numbers in both precisions
        images = images.float().double()
        net = net.float().double()
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    momentum = {n: 0.1 * torch.randn_like(p).float().double() for n, p in net.named_parameters()}
    def reference(net, images, momentum):
        if m:
            return reference_groups(net, images, labels, 0.1, 0.1, momentum, l2, m)
        return reference_step(net, images, labels, sam, 0.1, 0.1, momentum, l2)

    want = reference(net, images, momentum)

    cast = (lambda t: t) if double else (lambda t: t.float() if t.is_floating_point() else t)
    inputs = {k: cast(v) for k, v in weights.items()}
    inputs.update({"momentum/" + k: cast(v) for k, v in momentum.items()})
    paths = [os.path.join(folder, n) for n in ("w.safetensors", "b.safetensors", "o.safetensors")]
    save_file(inputs, paths[0])
    save_file({"images": cast(images), "labels": labels}, paths[1])
    command = [program, "step", "--weights", paths[0], "--batch", paths[1], "--out", paths[2], "--model", model,
               "--width", str(width), "--optimizer", "sam" if sam else "sgd", "--rho", "0.1", "--lr", "0.1",
               "--l2", str(l2), "--microbatch", str(m), "--microbatch-execution", execution, "--threads", "2",
               "--quiet"]
    subprocess.run(command, check=True)
    found = load_file(paths[2])
    if m and execution == "ghost":  # it makes none
        want = {name: value for name, value in want.items() if not name.startswith("epsilon/")}
    missing = set(want) ^ set(found)
    if missing:
        return [f"tensors differ in name: {sorted(missing)[:4]}"], 0.0, 0.0

    own = None
    if not double:
        net32 = make(model, width)
        net32.load_state_dict({k: cast(v) for k, v in weights.items()})
        own = reference(net32, images.float(), {k: v.float() for k, v in momentum.items()})
    problems, worst, worst_own = [], 0.0, 0.0
    for name in want:
        if tuple(want[name].shape) != tuple(found[name].shape):
            problems.append(f"{name}: shape {tuple(found[name].shape)}, expected {tuple(want[name].shape)}")
            continue
        e = error(found[name], want[name])
        limit = 1e-9 if double else max(10 * error(own[name], want[name]), 1e-5)
        worst_own = max(worst_own, 0 if double else error(own[name], want[name]))
        worst = max(worst, e)
        if not e <= limit:
            problems.append(f"{name}: {e:.3g}, limit {limit:.3g}")
    return problems, worst, worst_own


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true", help="a few of the cases")
    args = parser.parse_args()
    torch.set_num_threads(2)
    failed = 0
    models = ("resnet_tiny", "resnet_tiny_gn", "resnet18", "resnet18_gn", "mlp", "linear")
    cases = [(m, w) for m in models for w in (2, 4, 8, 16)]  # at 16 every stage is Winograd's in float32
    with tempfile.TemporaryDirectory() as folder:
        for model, width in cases[:: 4 if args.quick else 1]:
            for double in (True, False):
                for optimizer, m in (("sgd", 0), ("sam", 0), ("sam", 1), ("sam", 2), ("sam", 3)):
                    # The more ReLUs, the surer one flips: few images where the network is wide.
                    for batch, l2 in ((5, 0.0), (17, 5e-4)) if double or width < 16 else ((2, 0.0), (3, 5e-4)):
                        if m >= batch:
                            continue
                        for way in executions(model, l2, m):
                            def run(seed):
                                return compare(args.program, folder, model, width, optimizer == "sam", l2, seed,
                                               batch, double, m, way)

                            problems, worst, own = run(1)
                            # A ReLU whose sign flips by rounding moves a whole gradient, in PyTorch as
                            # here; in float32 another batch is tried before the step is called wrong.
                            for seed in (2, 3, 4, 5):
                                if problems and not double:
                                    problems, worst, own = run(seed)
                            failed += bool(problems)
                            groups = f"groups of {m} ({way})" if m else "one group"
                            print(f"{'FAIL' if problems else 'ok  '} {model} width {width} {optimizer} "
                                  f"batch {batch} {groups} l2 {l2:g} {'float64' if double else 'float32'}: "
                                  f"worst {worst:.2g}" + ("" if double else f" (PyTorch's own {own:.2g})"), flush=True)
                            for problem in problems[:5]:
                                print("     " + problem)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
