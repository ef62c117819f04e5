#!/usr/bin/env python3
"""oracle_light_asd.py - the network Light-ASD and the cepstrum it hears, in PyTorch and NumPy,
written from their descriptions, to compare src/face_sync/{mfcc,active_speaker}.c with.

    scripts/oracle_light_asd.py light_asd_finetune_TalkSet.model

Makes seeded faces and sound (the generator is that of tests/parity/test_parity_active_speaker.c),
and prints the table of that test: cepstrum, codes of eye and ear at some places, and the scores.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

FRAMES = 20


def noise(count, seed):
    """Numbers in [0, 1) by x <- 1664525 x + 1013904223 (mod 2^32)."""
    out = np.empty(count)
    x = seed
    for i in range(count):
        x = (1664525 * x + 1013904223) % 2**32
        out[i] = (x >> 8) / 2**24
    return out


def faces():
    """Squares of noise, 8 px each, that change from frame to frame."""
    cells = noise(FRAMES * 14 * 14, 1).reshape(FRAMES, 14, 14)
    return np.floor(256 * cells).repeat(8, 1).repeat(8, 2)


def sound():
    """Noise whose loudness changes every 40 ms, in steps of 16 bits."""
    loud = noise(FRAMES, 2).repeat(640)
    return np.floor(65536 * 0.2 * loud * (noise(FRAMES * 640, 3) - 0.5)) / 32768


def mfcc(x):
    x = x * 32768
    x = np.append(x[0], x[1:] - 0.97 * x[:-1])
    rows = 1 + int(np.ceil((len(x) - 400) / 160))
    x = np.append(x, np.zeros(rows * 160 + 400 - len(x)))
    frames = np.stack([x[160 * i:160 * i + 400] for i in range(rows)])
    power = np.abs(np.fft.rfft(frames, 512)) ** 2 / 512
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    edge = np.floor(513 * 700 * (10 ** (mel / 2595) - 1) / 16000)
    bank = np.zeros((26, 257))
    for j in range(26):
        for i in range(int(edge[j]), int(edge[j + 1])):
            bank[j, i] = (i - edge[j]) / (edge[j + 1] - edge[j])
        for i in range(int(edge[j + 1]), int(edge[j + 2])):
            bank[j, i] = (edge[j + 2] - i) / (edge[j + 2] - edge[j + 1])
    eps = np.finfo(float).eps
    logs = np.log(np.maximum(power @ bank.T, eps))
    n, j = np.arange(13)[:, None], np.arange(26)[None]
    dct = np.sqrt(2 / 26) * np.cos(np.pi * n * (2 * j + 1) / 52)
    out = logs @ dct.T * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    out[:, 0] = np.log(np.maximum(power.sum(1), eps))
    return out


class Net:
    def __init__(self, path):
        self.state = torch.load(path, map_location="cpu")

    def layer(self, name, x, **options):
        block, kind = name.rsplit(".", 1)
        weight = self.state[name + ".weight"]
        x = (F.conv3d if weight.dim() == 5 else F.conv2d)(x, weight, **options)
        norm = [self.state[f"{block}.bn_{kind}.{k}"]
                for k in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(x, *norm, eps=0.001))

    def block(self, name, x, space, stride=None):
        total = 0
        for k in (3, 5):
            if x.dim() == 5:
                first = dict(padding=(0, k // 2, k // 2), stride=stride or 1)
                second = dict(padding=(k // 2, 0, 0))
            else:
                first, second = dict(padding=(k // 2, 0)), dict(padding=(0, k // 2))
            y = self.layer(f"{name}.{space}_{k}", x, **first)
            total = total + self.layer(f"{name}.t_{k}", y, **second)
        return self.layer(f"{name}.last", total)

    def see(self, x):
        x = ((torch.tensor(x, dtype=torch.float32) / 255 - 0.4161) / 0.1688)[None, None]
        for i in (1, 2, 3):
            x = self.block(f"model.visualEncoder.block{i}", x, "s", (1, 2, 2) if i == 1 else None)
            if i < 3:
                x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        return x.amax((3, 4))[0].T

    def hear(self, x):
        x = torch.tensor(x[:4 * FRAMES].T, dtype=torch.float32)[None, None]
        for i in (1, 2, 3):
            x = self.block(f"model.audioEncoder.block{i}", x, "m")
            if i < 3:
                x = F.max_pool2d(x, (1, 3), (1, 2), (0, 1))
        return x.mean(2)[0].T

    def score(self, x):
        for way in ("forward", "backward"):
            gru = torch.nn.GRU(128, 128)
            for k in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
                getattr(gru, k).data = self.state[f"model.GRU.gru_{way}.{k}"]
            x = x.flip(0) if way == "backward" else x
            x = F.gelu(gru(x[:, None])[0][:, 0])
        x = x.flip(0)
        return F.linear(x, self.state["lossAV.FC.weight"], self.state["lossAV.FC.bias"])[:, 1]


def table(name, values):
    text = ", ".join(f"{v:.6g}f" if "." in f"{v:.6g}" or "e" in f"{v:.6g}" else f"{v:.6g}.0f"
                     for v in np.asarray(values).ravel().tolist())
    print(f"static const float {name}[] = {{{text}}};")


def main():
    cepstrum = mfcc(sound())
    cepstrum = np.concatenate([cepstrum] + [cepstrum[-1:]] * 4)[:4 * FRAMES]
    with torch.no_grad():
        net = Net(sys.argv[1])
        seen, heard = net.see(faces()), net.hear(cepstrum)
        table("want_mfcc", cepstrum[[0, 37]])
        table("want_seen", seen[[0, 9, 19], ::16])
        table("want_heard", heard[[0, 9, 19], ::16])
        table("want_score", net.score(seen + heard))


main()
