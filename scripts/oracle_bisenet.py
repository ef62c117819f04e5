#!/usr/bin/env python3
"""oracle_bisenet.py - BiSeNet on ResNet-18 in PyTorch, written from its description (doc/MODEL.md),
to compare src/portrait_sync/bisenet.c with.

    /usr/bin/python3 scripts/oracle_bisenet.py

Makes seeded weights and a seeded picture of 64 x 64 (by the formula of
tests/unit/test_portrait_sync_bisenet.c) and prints the tables of that test: the 19 values at some
places of the 8 x 8 map, and how many pixels of 64 x 64 have each class.
"""
import numpy as np
import torch
import torch.nn.functional as F

SIDE = 64


def noise(count, seed):
    """Numbers in [-1, 1): a hash of the index."""
    x = (np.arange(count, dtype=np.uint64) + seed * 0x9E3779B9) & 0xFFFFFFFF
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return (x >> np.uint64(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)


class Net:
    """Tensors are seeded by the order in which they are listed: that of the C test's table."""

    def __init__(self):
        self.state, self.seed = {}, 0
        self.conv_norm("cp.resnet.conv1", "cp.resnet.bn1", 64, 3, 7)
        width = 64
        for stage, out in enumerate((64, 128, 256, 512), 1):
            for block in (0, 1):
                name = f"cp.resnet.layer{stage}.{block}"
                self.conv_norm(f"{name}.conv1", f"{name}.bn1", out, width, 3)
                self.conv_norm(f"{name}.conv2", f"{name}.bn2", out, out, 3)
                if width != out:
                    self.conv_norm(f"{name}.downsample.0", f"{name}.downsample.1", out, width, 1)
                width = out
        self.block("cp.conv_avg", 128, 512, 1)
        for name, width in (("cp.arm32", 512), ("cp.arm16", 256)):
            self.block(f"{name}.conv", 128, width, 3)
            self.conv_norm(f"{name}.conv_atten", f"{name}.bn_atten", 128, 128, 1)
        self.block("cp.conv_head32", 128, 128, 3)
        self.block("cp.conv_head16", 128, 128, 3)
        self.block("ffm.convblk", 256, 256, 1)
        self.conv("ffm.conv1", 64, 256, 1)
        self.conv("ffm.conv2", 256, 64, 1)
        self.block("conv_out.conv", 256, 256, 3)
        self.conv("conv_out.conv_out", 19, 256, 1)

    def tensor(self, name, shape, scale, middle=0.0):
        self.seed += 1
        values = np.float32(middle) + np.float32(scale) * noise(int(np.prod(shape)), self.seed)
        self.state[name] = torch.tensor(values.reshape(shape))

    def conv(self, name, out, width, kernel):
        scale = np.sqrt(np.float32(6) / np.float32(width * kernel * kernel))
        self.tensor(f"{name}.weight", (out, width, kernel, kernel), scale)

    def conv_norm(self, conv, norm, out, width, kernel):
        self.conv(conv, out, width, kernel)
        self.tensor(f"{norm}.weight", (out,), 0.5, 1)
        self.tensor(f"{norm}.bias", (out,), 0.25)
        self.tensor(f"{norm}.running_mean", (out,), 0.25)
        self.tensor(f"{norm}.running_var", (out,), 0.5, 1.5)

    def block(self, name, out, width, kernel):
        self.conv_norm(f"{name}.conv", f"{name}.bn", out, width, kernel)

    def run(self, conv, norm, x, stride=1):
        weight = self.state[f"{conv}.weight"]
        x = F.conv2d(x, weight, None, stride, weight.shape[2] // 2)
        if norm is None:
            return x
        s = [self.state[f"{norm}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *s, eps=1e-5)

    def run_block(self, name, x):
        return F.relu(self.run(f"{name}.conv", f"{name}.bn", x))


def resnet(net, x):
    x = F.relu(net.run("cp.resnet.conv1", "cp.resnet.bn1", x, 2))
    x = F.max_pool2d(x, 3, 2, 1)
    taps = []
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            name = f"cp.resnet.layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = F.relu(net.run(f"{name}.conv1", f"{name}.bn1", x, stride))
            y = net.run(f"{name}.conv2", f"{name}.bn2", y)
            if stride == 2:
                x = net.run(f"{name}.downsample.0", f"{name}.downsample.1", x, 2)
            x = F.relu(x + y)
        taps.append(x)
    return taps[1:]


def refine(net, name, x):
    x = net.run_block(f"{name}.conv", x)
    gate = net.run(f"{name}.conv_atten", f"{name}.bn_atten", x.mean((2, 3), keepdim=True))
    return x * torch.sigmoid(gate)


def forward(net, x):
    f8, f16, f32 = resnet(net, x)
    average = net.run_block("cp.conv_avg", f32.mean((2, 3), keepdim=True))
    y = F.interpolate(refine(net, "cp.arm32", f32) + average, scale_factor=2, mode="nearest")
    y = net.run_block("cp.conv_head32", y)
    y = F.interpolate(refine(net, "cp.arm16", f16) + y, scale_factor=2, mode="nearest")
    y = net.run_block("cp.conv_head16", y)
    y = net.run_block("ffm.convblk", torch.cat([f8, y], 1))
    gate = F.relu(net.run("ffm.conv1", None, y.mean((2, 3), keepdim=True)))
    y = y * torch.sigmoid(net.run("ffm.conv2", None, gate)) + y
    y = net.run("conv_out.conv_out", None, net.run_block("conv_out.conv", y))
    return y, F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=True).argmax(1)


def picture():
    """Squares of noise, 4 px each."""
    cells = (noise(16 * 16 * 3, 1000).reshape(16, 16, 3) + 1) * 128
    pixels = np.floor(cells).repeat(4, 0).repeat(4, 1) / 255
    x = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.tensor(x, dtype=torch.float32).permute(2, 0, 1)[None]


def main():
    with torch.no_grad():
        scores, classes = forward(Net(), picture())
    print("largest", float(scores.abs().max()))
    for y, x in ((0, 0), (2, 5), (4, 4), (7, 7)):
        print(", ".join(f"{v:.6g}f" for v in scores[0, :, y, x].tolist()) + ",")
    print(np.bincount(classes.flatten().numpy(), minlength=19).tolist())


main()
