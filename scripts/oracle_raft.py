#!/usr/bin/env python3
"""oracle_raft.py - RAFT-small in PyTorch, written from its description (doc/MODEL.md), to compare
src/head_sync/raft.c with.

    scripts/oracle_raft.py raft-small.pth FOLDER [height width]

Makes two seeded pictures, runs the network on them with the published weights, and leaves in FOLDER
(float32 .npy): a, b [h][w][3]; features_a, hidden_a, context_a [h/8][w/8][c]; taps [h/8][w/8][196] of
the first iteration's lookup at a seeded displacement `moved` [h/8][w/8][2]; hidden_1, flow_1 after
one iteration; flow [2][h][w]. Then:

    STK_RAFT_ORACLE=FOLDER build/tests/test_parity_raft
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F


class Net:
    def __init__(self, path):
        state = torch.load(path, map_location="cpu")
        self.state = {key.removeprefix("module."): value for key, value in state.items()}

    def conv(self, name, x, stride=1):
        weight = self.state[name + ".weight"]
        return F.conv2d(x, weight, self.state[name + ".bias"], stride, weight.shape[2] // 2)


def encode(net, name, x, norm):
    def normed(v):
        if not norm:
            return v
        mean = v.mean((2, 3), keepdim=True)
        return (v - mean) / torch.sqrt(v.var((2, 3), unbiased=False, keepdim=True) + 1e-5)

    x = F.relu(normed(net.conv(f"{name}.conv1", x, 2)))
    for stage in (1, 2, 3):
        for block in (0, 1):
            prefix = f"{name}.layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = F.relu(normed(net.conv(f"{prefix}.conv1", x)))
            y = F.relu(normed(net.conv(f"{prefix}.conv2", y, stride)))
            y = F.relu(normed(net.conv(f"{prefix}.conv3", y)))
            if stride == 2:
                x = normed(net.conv(f"{prefix}.downsample.0", x, 2))
            x = F.relu(x + y)
    return net.conv(f"{name}.conv2", x)


def pyramid(features_a, features_b):
    _, c, h, w = features_a.shape
    volume = torch.einsum("cp,cq->pq", features_a.reshape(c, -1), features_b.reshape(c, -1))
    volume = (volume / c**0.5).reshape(h * w, 1, h, w)
    levels = [volume]
    for _ in range(3):
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


def lookup(levels, coords):
    """coords [1, 2, h, w] (x, y) -> [1, 196, h, w]"""
    _, _, h, w = coords.shape
    points = coords[0].permute(1, 2, 0).reshape(h * w, 1, 1, 2)
    d = torch.arange(-3, 4, dtype=torch.float32)
    offsets = torch.stack(torch.meshgrid(d, d, indexing="ij"), -1)  # [x][y] -> (x, y)
    taps = []
    for level, volume in enumerate(levels):
        at = points / 2**level + offsets[None]
        size = torch.tensor([volume.shape[3] - 1, volume.shape[2] - 1], dtype=torch.float32)
        taps.append(F.grid_sample(volume, 2 * at / size - 1, align_corners=True).reshape(h * w, 49))
    return torch.cat(taps, 1).T.reshape(1, 196, h, w)


def update(net, hidden, context, taps, flow):
    name = "update_block.encoder"
    c = F.relu(net.conv(f"{name}.convc1", taps))
    f = F.relu(net.conv(f"{name}.convf1", flow))
    f = F.relu(net.conv(f"{name}.convf2", f))
    motion = F.relu(net.conv(f"{name}.conv", torch.cat([c, f], 1)))
    x = torch.cat([context, motion, flow], 1)
    both = torch.cat([hidden, x], 1)
    z = torch.sigmoid(net.conv("update_block.gru.convz", both))
    r = torch.sigmoid(net.conv("update_block.gru.convr", both))
    q = torch.tanh(net.conv("update_block.gru.convq", torch.cat([r * hidden, x], 1)))
    hidden = (1 - z) * hidden + z * q
    delta = F.relu(net.conv("update_block.flow_head.conv1", hidden))
    return hidden, flow + net.conv("update_block.flow_head.conv2", delta)


def pictures(h, w):
    """A smooth texture, and the same turned by 2 degrees and moved by (5.3, -2.4)."""
    rng = np.random.default_rng(7)
    waves = rng.uniform(-0.5, 0.5, (60, 2)), rng.uniform(0, 6.28, (60, 3)), rng.normal(0, 14, (60, 3))

    def sample(x, y):
        out = np.full(x.shape + (3,), 127.0)
        for k, phase, gain in zip(*waves):
            out += gain * np.sin((k[0] * x + k[1] * y)[..., None] + phase)
        return np.clip(np.rint(out), 0, 255).astype(np.float32)

    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    c, s = np.cos(np.radians(2)), np.sin(np.radians(2))
    dx, dy = x - 5.3 - w / 2, y + 2.4 - h / 2
    return sample(x, y), sample(c * dx + s * dy + w / 2, -s * dx + c * dy + h / 2)


def main():
    path, folder = sys.argv[1:3]
    h, w = (int(v) for v in sys.argv[3:5]) if len(sys.argv) > 4 else (240, 320)
    net, a, b = Net(path), *pictures(h, w)

    def save(name, value):
        np.save(f"{folder}/{name}.npy", np.ascontiguousarray(value, dtype=np.float32))

    def save_map(name, value):
        save(name, value[0].permute(1, 2, 0).numpy())

    torch.set_num_threads(1)
    with torch.no_grad():
        net_a, net_b = (torch.from_numpy(v).permute(2, 0, 1)[None] / 255 * 2 - 1 for v in (a, b))
        features_a, features_b = (encode(net, "fnet", v, True) for v in (net_a, net_b))
        hidden, context = torch.split(encode(net, "cnet", net_a, False), [96, 64], 1)
        hidden, context = torch.tanh(hidden), F.relu(context)
        levels = pyramid(features_a, features_b)
        save("a", a), save("b", b)
        save_map("features_a", features_a), save_map("hidden_a", hidden)
        save_map("context_a", context)
        y, x = torch.meshgrid(torch.arange(h // 8).float(), torch.arange(w // 8).float(), indexing="ij")
        grid = torch.stack([x, y])[None]
        moved = torch.randn(grid.shape, generator=torch.Generator().manual_seed(3)) * 6
        save_map("moved", moved), save_map("taps", lookup(levels, grid + moved))
        flow = torch.zeros_like(grid)
        for iteration in range(12):
            hidden, flow = update(net, hidden, context, lookup(levels, grid + flow), flow)
            if iteration == 0:
                save_map("hidden_1", hidden), save_map("flow_1", flow)
        save("flow", 8 * F.interpolate(flow, (h, w), mode="bilinear", align_corners=True)[0].numpy())


if __name__ == "__main__":
    main()
