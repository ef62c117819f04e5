#!/usr/bin/env python3
"""Prints the values that tests/unit/test_metrics_quality.c expects, by other people's code.

    python3 scripts/oracle_metrics.py MODELS [PICTURE.png ...]

Needs Debian's python3-numpy, python3-scipy, python3-torch, python3-opencv and opencv-data; MODELS is
the folder of niqe_pris_params.npz. Never needed to build, run or test. The pictures come from the
formula of oracle_ssim.py, which the test repeats in C; pictures named after MODELS are measured, too.

MS-SSIM: torch's conv2d and avg_pool2d in float64. NIQE: scipy's convolve and gamma, numpy's pinv, the
prior's own window. BRISQUE: OpenCV's quality module. Intervals: numpy's generator, resampled 20000
times.
"""
import math
import sys

import cv2
import numpy as np
import torch
from oracle_ssim import picture
from scipy.ndimage import convolve
from scipy.special import gamma

QUALITY = "/usr/share/opencv4/quality/brisque_%s_live.yml"


def ms_ssim(a, b):
    g = torch.exp(-0.5 * (torch.arange(11, dtype=torch.float64) - 5) ** 2 / 1.5**2)
    g = g / g.sum()
    window = torch.outer(g, g)[None, None]
    a, b = (torch.tensor(i.astype(np.float64)).permute(2, 0, 1)[:, None] for i in (a, b))
    product = 1
    for scale, power in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        blur = lambda v: torch.nn.functional.conv2d(v, window)
        ma, mb = blur(a), blur(b)
        va, vb, vab = blur(a * a) - ma**2, blur(b * b) - mb**2, blur(a * b) - ma * mb
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        value = (2 * vab + c2) / (va + vb + c2)
        if scale == 4:
            value = value * (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
        product = product * torch.relu(value.mean((1, 2, 3))) ** power
        a, b = torch.nn.functional.avg_pool2d(a, 2), torch.nn.functional.avg_pool2d(b, 2)
    return product.mean().item()


SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


def aggd(x):
    left, right = np.sqrt(np.mean(x[x < 0] ** 2)), np.sqrt(np.mean(x[x > 0] ** 2))
    g = left / right
    r = np.mean(np.abs(x)) ** 2 / np.mean(x**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    alpha = SHAPES[np.argmin((RATIOS - r) ** 2)]
    scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
    return alpha, left * scale, right * scale


def halve_matrix(n):
    """MATLAB's imresize(0.5), as a matrix [n/2][n]: the cubic of twice the width, mirrored ends."""
    m = np.zeros((n // 2, n))
    for i in range(n // 2):
        for k in range(2 * i - 5, 2 * i + 7):
            d = abs((2 * i + 0.5 - k) / 2)
            w = (1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1
                 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0) / 2
            m[i, -1 - k if k < 0 else 2 * n - 1 - k if k >= n else k] += w
    return m


def niqe(image, prior, flat=0.0):
    """flat: |x - mu| below it is 0, as in ours, instead of the rounding that there is."""
    y = (16 + image.astype(np.float64) @ [65.481, 128.553, 24.966] / 255).round()
    h, w = y.shape[0] // 96 * 96, y.shape[1] // 96 * 96
    y = y[:h, :w]
    features = []
    for side in (96, 48):
        mean = convolve(y, prior["gaussian_window"], mode="nearest")
        square = convolve(y * y, prior["gaussian_window"], mode="nearest")
        mscn = (y - mean) / (np.sqrt(np.abs(square - mean**2)) + 1)
        mscn[np.abs(y - mean) < flat] = 0
        rows = []
        for v in range(0, mscn.shape[0], side):
            for u in range(0, mscn.shape[1], side):
                block = mscn[v:v + side, u:u + side]
                alpha, left, right = aggd(block)
                row = [alpha, (left + right) / 2]
                for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    alpha, left, right = aggd(block * np.roll(block, shift, (0, 1)))
                    row += [alpha, (right - left) * gamma(2 / alpha) / gamma(1 / alpha), left,
                            right]
                rows.append(row)
        features.append(rows)
        y = halve_matrix(y.shape[0]) @ y @ halve_matrix(y.shape[1]).T
    f = np.concatenate(features, 1)
    f = f[~np.isnan(f).any(1)]
    away = f.mean(0) - prior["mu_pris_param"][0]
    return math.sqrt(away @ np.linalg.pinv((np.cov(f, rowvar=False) + prior["cov_pris_param"]) / 2)
                     @ away)


def brisque(image):
    return cv2.quality.QualityBRISQUE_compute(image[:, :, ::-1].copy(), QUALITY % "model",
                                              QUALITY % "range")[0]


def interval(values, block):
    n, rng = len(values), np.random.default_rng(1)
    starts = rng.integers(0, n, (20000, -(-n // block)))
    index = ((starts[:, :, None] + np.arange(block)) % n).reshape(20000, -1)[:, :n]
    return np.percentile(values[index].mean(1), (2.5, 97.5))


if __name__ == "__main__":
    prior = np.load(sys.argv[1] + "/niqe_pris_params.npz")
    for width, height, salt in ((192, 176, 1), (192, 200, 2), (257, 203, 3), (300, 200, 1)):
        a, b = picture(width, height, 0), picture(width, height, salt)
        print(f"    {{{width}, {height}, {salt}, {ms_ssim(a, b):.9f}, {niqe(b, prior):.9f}, "
              f"{brisque(b):.6f}}},")
    values = np.array([(i * 37 % 61) + 20 * math.sin(i / 7) for i in range(150)])
    print("mean %.9f median %.9f" % (values.mean(), np.median(values)))
    for block in (1, 6):
        print("block %d:" % block, "%.4f %.4f" % tuple(interval(values, block)))
    for path in sys.argv[2:]:
        image = cv2.imread(path)[:, :, ::-1]
        print(path, "niqe %.6f, flats exactly 0: %.6f; brisque %.6f" %
              (niqe(image, prior), niqe(image, prior, 1e-9), brisque(image)))
