#!/usr/bin/env python3
"""oracle_syncnet.py - the network SyncNet and its two figures, LSE-C and LSE-D, in PyTorch, written
from their description (Chung and Zisserman 2016; layer names of syncnet_v2.model), to compare
src/face_sync/syncnet.c with.

    scripts/oracle_syncnet.py [syncnet_v2.model-like file to write]

Weights, faces, cepstrum and codes are made by a formula (that of tests/unit/test_face_sync_syncnet.c);
prints the tables of that test. With a file name the weights are also saved as torch.save of a state
dictionary.
"""
import sys

import numpy as np
import torch
from torch import nn


def noise(count, seed):
    """Numbers in [0, 1): a mixed counter."""
    h = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    h *= np.uint32(2654435761)
    h ^= h >> np.uint32(15)
    h *= np.uint32(2246822519)
    h ^= h >> np.uint32(13)
    return (h >> np.uint32(8)) / 2.0**24


def lips_net():
    return nn.Sequential(
        nn.Conv3d(3, 96, (5, 7, 7), (1, 2, 2)), nn.BatchNorm3d(96), nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        nn.Conv3d(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)), nn.BatchNorm3d(256), nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        nn.Conv3d(256, 256, (1, 3, 3), 1, (0, 1, 1)), nn.BatchNorm3d(256), nn.ReLU(),
        nn.Conv3d(256, 256, (1, 3, 3), 1, (0, 1, 1)), nn.BatchNorm3d(256), nn.ReLU(),
        nn.Conv3d(256, 256, (1, 3, 3), 1, (0, 1, 1)), nn.BatchNorm3d(256), nn.ReLU(),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
        nn.Conv3d(256, 512, (1, 6, 6)), nn.BatchNorm3d(512), nn.ReLU())


def sound_net():
    return nn.Sequential(
        nn.Conv2d(1, 64, 3, 1, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(1, 1),
        nn.Conv2d(64, 192, 3, 1, 1), nn.BatchNorm2d(192), nn.ReLU(), nn.MaxPool2d(3, (1, 2)),
        nn.Conv2d(192, 384, 3, 1, 1), nn.BatchNorm2d(384), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1), nn.BatchNorm2d(256), nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1), nn.BatchNorm2d(256), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 512, (5, 4)), nn.BatchNorm2d(512), nn.ReLU())


def head():
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


class SyncNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.netcnnaud, self.netfcaud = sound_net(), head()
        self.netfclip, self.netcnnlip = head(), lips_net()

    def hear(self, x):
        return self.netfcaud(self.netcnnaud(x).flatten(1))

    def see(self, x):
        return self.netfclip(self.netcnnlip(x).flatten(1))


def fill(net):
    seed = 0
    for part in ("netcnnaud", "netfcaud", "netcnnlip", "netfclip"):
        for name, module in getattr(net, part).named_children():
            if not hasattr(module, "weight"):
                continue
            norm = hasattr(module, "running_var")
            weight = module.weight
            fan_in = 0 if norm else weight[0].numel()
            for key in ("weight", "bias") + (("running_mean", "running_var") if norm else ()):
                seed += 1
                tensor = getattr(module, key)
                u = noise(tensor.numel(), seed)
                if key == "weight" and not norm:
                    v = np.sqrt(6.0 / fan_in) * (2 * u - 1)
                elif key in ("weight", "running_var"):
                    v = 0.5 + u
                else:
                    v = 0.2 * (u - 0.5)
                tensor.data.copy_(torch.from_numpy(v.astype(np.float32)).reshape(tensor.shape))


def pairwise_figures(lips, sound, reach=15):
    """Distances of every window to those `reach` around it, zeros beyond the ends; means."""
    padded = nn.functional.pad(sound, (0, 0, reach, reach))
    rows = [nn.functional.pairwise_distance(lips[[i]].repeat(2 * reach + 1, 1),
                                            padded[i:i + 2 * reach + 1]) for i in range(len(lips))]
    mean = torch.stack(rows, 1).mean(1)
    least, at = mean.min(0)
    return float(mean.median() - least), float(least), int(at) - reach


def show(name, values):
    print(f"static const float {name}[] = {{" + ", ".join(f"{v:.7g}f" for v in values) + "};")


net = SyncNet().eval()
fill(net)
if len(sys.argv) > 1:
    torch.save(net.state_dict(), sys.argv[1])
with torch.no_grad():
    # six frames of squares of 16 px, RGB in the program, BGR in the network
    cells = np.floor(256 * noise(6 * 14 * 14 * 3, 1001)).reshape(6, 14, 14, 3)
    frames = cells.repeat(16, 1).repeat(16, 2)[..., ::-1].copy()
    x = torch.from_numpy(frames).float().permute(3, 0, 1, 2)[None]  # [1][3][6][224][224]
    seen = torch.cat([net.see(x[:, :, i:i + 5]) for i in range(2)]).numpy()
    mfcc = (40 * noise(24 * 13, 1002) - 20).astype(np.float32).reshape(24, 13)
    c = torch.from_numpy(mfcc.T.copy())[None, None]  # [1][1][13][24]
    heard = torch.cat([net.hear(c[..., 4 * i:4 * i + 20]) for i in range(2)]).numpy()
    show("want_seen", seen[:, ::64].ravel())
    show("want_heard", heard[:, ::64].ravel())
    # 40 codes; the sound's are those of lips three windows later, and noise
    lips = (4 * noise(43 * 1024, 1003) - 2).reshape(43, 1024)
    sound = lips[:40] + (2 * noise(40 * 1024, 1004) - 1).reshape(40, 1024)
    figures = pairwise_figures(torch.from_numpy(lips[3:].astype(np.float32)),
                               torch.from_numpy(sound.astype(np.float32)))
    print("LSE-C %.7g LSE-D %.7g offset %d" % figures)
