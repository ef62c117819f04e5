#!/usr/bin/env python3
"""Prints the SSIM values that tests/unit/test_metrics_picture.c expects, by scikit-image.

Needs python3-numpy and python3-skimage; never needed to build, run or test. The pictures come from
the formula below, which the test repeats in C.
"""
import numpy as np
from skimage.metrics import structural_similarity


def picture(width, height, salt):
    """Bytes [height][width][3]: two waves and a hash, all in integers."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    wave = (x * (3 + c) + y * 2) % 256
    rough = ((x * 7919 + y * 104729 + c * 1299709 + salt * 15485863) >> 3) % 64
    return ((wave * 3) // 4 + (rough * salt) // 4).clip(0, 255).astype(np.uint8)


def ssim(a, b):
    return structural_similarity(a, b, gaussian_weights=True, sigma=1.5, data_range=255,
                                 use_sample_covariance=False, channel_axis=2)


if __name__ == "__main__":
    for width, height, salt in ((64, 48, 1), (64, 48, 2), (37, 53, 3), (11, 11, 1), (200, 12, 1)):
        a, b = picture(width, height, 0), picture(width, height, salt)
        print(f"    {{{width}, {height}, {salt}, {ssim(a, b):.12f}}},")
    flat = np.full((32, 32, 3), 100, np.uint8)
    print("flat 100 against 140:", f"{ssim(flat, flat + 40):.12f}")
