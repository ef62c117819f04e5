#!/usr/bin/env python3
"""Prints the features and distances that tests/unit/test_metrics_fid.c expects.

    python3 scripts/oracle_fid.py

Needs Debian's python3-torch, python3-torchvision, python3-scipy and python3-numpy; never needed to
build, run or test. The network is torchvision's Inception v3 in float64, its blocks' pools replaced
as the published FID weights want them (means over the picture's own pixels, in the last block a
largest); the distance is numpy's covariance and scipy's sqrtm. Weights and pictures come from the formula of
tests/support/formula_net.h.
"""
import numpy as np
import torch
import torchvision
from oracle_lpips import unit
from scipy.linalg import sqrtm

F = torch.nn.functional
MEAN, MOST = F.avg_pool2d, F.max_pool2d


def with_own_pool(block, most):
    """torchvision's block computes avg_pool2d(x, 3, 1, 1) for its last branch; FID's this."""
    def forward(x):
        def pool(x, kernel_size, stride, padding):
            if most:
                return MOST(x, kernel_size, stride, padding)
            return MEAN(x, kernel_size, stride, padding, count_include_pad=False)
        F.avg_pool2d = pool
        try:
            return type(block).forward(block, x)
        finally:
            F.avg_pool2d = MEAN
    return forward


def network():
    net = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False)
    net = net.double().eval()
    seed = 1
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            n = module.weight.numel()
            fan_in = module.weight[0].numel()
            w = (2 * unit(seed, n) - 1) * np.float32(np.sqrt(6 / fan_in))
            module.weight.data = torch.tensor(w.astype(np.float64)).reshape(module.weight.shape)
        elif isinstance(module, torch.nn.BatchNorm2d):
            n = module.weight.numel()
            for k, (name, least, gain) in enumerate((("weight", 0.5, 1), ("bias", -0.1, 0.2),
                                                     ("running_mean", -0.1, 0.2),
                                                     ("running_var", 0.5, 1))):
                v = np.float32(least) + np.float32(gain) * unit(seed + 1 + k, n)
                getattr(module, name).data = torch.tensor(v.astype(np.float64))
            seed += 5
    for name in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b", "7c"):
        block = getattr(net, "Mixed_" + name)
        block.forward = with_own_pool(block, name == "7c")
    net.fc = torch.nn.Identity()
    net.transform_input = False
    return net


def picture(height, width, seed):
    x = (256 * unit(seed, height * width * 3)).astype(np.uint8).reshape(height, width, 3)
    y, x0, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    wave = (x0 * (3 + c) + y * 2 + 40 * seed) % 256
    return ((wave * 3 + x.astype(int)) // 4).astype(np.uint8)


def features(net, image):
    x = torch.tensor(image.astype(np.float64) / 255).permute(2, 0, 1)[None]
    x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
    with torch.no_grad():
        return net(2 * x - 1)[0].numpy()


def frechet(a, b):
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(ca @ cb)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * np.real(root))


if __name__ == "__main__":
    torch.set_num_threads(1)
    net = network()
    for height, width, seed in ((40, 64, 1), (320, 300, 2)):
        f = features(net, picture(height, width, seed))
        at = [(i * 331 + 7) % 2048 for i in range(6)]
        print(f"    {{{width}, {height}, {seed}, {np.sqrt((f * f).sum()):.9g}, "
              "{" + ", ".join(f"{f[i]:.8g}" for i in at) + "}},")
    for n, d in ((12, 5), (9, 8), (200, 30)):
        a = unit(7, n * d).astype(np.float64).reshape(n, d)
        b = unit(8, n * d).astype(np.float64).reshape(n, d) ** 2
        print(f"    {{{n}, {d}, {frechet(a, b):.12g}}},")
    for n, d in ((5, 40), (60, 300)):  # fewer than numbers: covariances without inverse
        a = unit(7, n * d).astype(np.float64).reshape(n, d)
        b = unit(8, n * d).astype(np.float64).reshape(n, d) ** 2
        ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        w, v = np.linalg.eigh(ca)
        half = v * np.sqrt(np.maximum(w, 0)) @ v.T
        inner = np.linalg.eigvalsh(half @ cb @ half)
        inner = inner[inner > 1e-12 * inner.max()]
        value = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb) - 2 * np.sqrt(inner).sum()
        print(f"    {{{n}, {d}, {value:.12g}}},")
