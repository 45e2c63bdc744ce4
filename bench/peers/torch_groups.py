"""m-SAM's gradient in PyTorch, in the two ways that it offers: each group of m examples has a perturbation
of its own, and the mean of the groups' gradients at their own points is returned, in the order of the
network's parameters.

The paper's code accumulates over microbatches (`loop`); torch.func maps both gradients of a group over
all groups at once (`vmap`), which wants groups of one size and no batch norm.
"""
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap


def loop_gradient(net, images, labels, m, rho):
    params = list(net.parameters())
    total = None
    for x, y in zip(images.split(m), labels.split(m)):
        g = torch.autograd.grad(F.cross_entropy(net(x), y), params)
        with torch.no_grad():
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(g)))
            eps = torch._foreach_mul(g, rho / (norm + 1e-12))
            torch._foreach_add_(params, eps)
        h = list(torch.autograd.grad(F.cross_entropy(net(x), y) * (len(y) / len(labels)), params))
        with torch.no_grad():
            torch._foreach_sub_(params, eps)
            if total is None:
                total = h
            else:
                torch._foreach_add_(total, h)
    return total


def vmap_gradient(net, images, labels, m, rho):
    if len(labels) % m:
        raise ValueError(f"found groups of {m} in {len(labels)} examples, expected equal groups")
    params = {name: p.detach() for name, p in net.named_parameters()}

    def loss(at, x, y):
        return F.cross_entropy(functional_call(net, at, (x,)), y)

    def perturbed(x, y):
        g = grad(loss)(params, x, y)
        scale = rho / (torch.sqrt(sum((v**2).sum() for v in g.values())) + 1e-12)
        return grad(loss)({name: p + scale * g[name] for name, p in params.items()}, x, y)

    groups = len(labels) // m
    g = vmap(perturbed)(images.reshape(groups, m, *images.shape[1:]), labels.reshape(groups, m))
    return [g[name].mean(0) for name, _ in net.named_parameters()]
