#!/usr/bin/env python3
"""Prints the LPIPS distances and gradients that tests/unit/test_metrics_lpips.c expects.

    python3 scripts/oracle_lpips.py [MODELS]

Needs Debian's python3-torch, python3-torchvision and python3-numpy; never needed to build, run or
test. The backbones are torchvision's own classes, the distance is written from the paper and
reference.md 5.5, all in float64, gradients by autograd. Weights and pictures come from the formula
of tests/support/formula_net.h, so that no file has to be carried about; with MODELS, the folder of
the published heads (lpips_v0.1_*.pth), the distances by those are printed, too.
"""
import os
import sys

import numpy as np
import torch
import torchvision

LAST = {"alex": 12, "vgg": 30, "squeeze": 13}  # how much of .features is run
TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
MAKE = {"alex": torchvision.models.alexnet, "vgg": torchvision.models.vgg16,
        "squeeze": torchvision.models.squeezenet1_1}
SHIFT = torch.tensor([-.030, -.088, -.188], dtype=torch.float64)[None, :, None, None]
SCALE = torch.tensor([.458, .448, .450], dtype=torch.float64)[None, :, None, None]


def unit(seed, n):
    x = (np.arange(n, dtype=np.uint64) + seed * 0x9e3779b9) & 0xffffffff
    x ^= x >> 16
    x = x * 0x7feb352d & 0xffffffff
    x ^= x >> 15
    x = x * 0x846ca68b & 0xffffffff
    x ^= x >> 16
    return (x >> 8).astype(np.float32) / np.float32(16777216)


def formula_weights(net):
    """Weights of a module's convolutions in its own order."""
    seed = 1
    for tensor in net.parameters():
        u = 2 * unit(seed, tensor.numel()) - 1
        fan_in = tensor[0].numel()
        u = u * np.float32(np.sqrt(6 / fan_in)) if tensor.dim() == 4 else u * np.float32(0.1)
        tensor.data = torch.tensor(u.astype(np.float64)).reshape(tensor.shape)
        seed += 1


def formula_head(k, channels):
    return torch.tensor(unit(1000 + k, channels).astype(np.float64))[None, :, None, None]


def lpips(kind, features, a, b, pad, head_of=formula_head):
    def taps(x):
        x = torch.nn.functional.pad(2 * x - 1, (pad[0], pad[0], pad[1], pad[1]))
        x = (x - SHIFT) / SCALE
        out = []
        for i, layer in enumerate(features[:LAST[kind]]):
            x = layer(x) if not isinstance(layer, torch.nn.ReLU) else torch.relu(x)
            if i in TAPS[kind]:
                out.append(x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    sum = 0
    for k, (u, v) in enumerate(zip(taps(a), taps(b))):
        sum = sum + (head_of(k, u.shape[1]) * (u - v) ** 2).sum(1).mean((1, 2))
    return sum


def pictures(count, height, width, seed):
    x = unit(seed, count * height * width * 3).astype(np.float64)
    return torch.tensor(x).reshape(count, height, width, 3).permute(0, 3, 1, 2)


def show(kind, count, height, width, seed):
    features = MAKE[kind](weights=None).double().features
    formula_weights(features)
    a, b = pictures(count, height, width, seed), pictures(count, height, width, seed + 1)
    b = 0.75 * a + 0.25 * b
    a.requires_grad_(True)
    pad = [(32 - side + 1) // 2 if side < 32 else 0 for side in (width, height)]
    d = lpips(kind, features, a, b, pad)
    d.mean().backward()
    g = a.grad.permute(0, 2, 3, 1).reshape(-1).numpy()
    at = [(i * 7919 + 13) % g.size for i in range(6)]
    print(f"    {{STK_LPIPS_{kind.upper()}, {count}, {width}, {height}, {seed},")
    print("     {" + ", ".join(f"{v:.9g}" for v in d.detach().numpy()) + "},")
    print(f"     {np.sqrt((g * g).sum()):.8g}, "
          "{" + ", ".join(f"{g[i]:.7g}" for i in at) + "}},")


def show_published(models, kind):
    heads = torch.load(os.path.join(models, f"lpips_v0.1_{kind}.pth"), map_location="cpu")
    features = MAKE[kind](weights=None).double().features
    formula_weights(features)
    a, b = pictures(1, 64, 64, 77), pictures(1, 64, 64, 78)
    d = lpips(kind, features, a, 0.75 * a + 0.25 * b, (0, 0),
              lambda k, _: heads[f"lin{k}.model.1.weight"].double())
    print(f"published heads, {kind}: {d.item():.9g}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    show("alex", 2, 64, 64, 77)
    show("vgg", 2, 64, 64, 109)  # 77: a unit so near its ReLU's kink that float32 is beyond it
    show("squeeze", 2, 64, 64, 77)
    show("alex", 5, 33, 47, 77)
    show("alex", 1, 20, 37, 77)
    show("squeeze", 1, 31, 50, 77)
    for kind in TAPS if len(sys.argv) > 1 else ():
        show_published(sys.argv[1], kind)
