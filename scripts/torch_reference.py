#!/usr/bin/python3
"""The radiance field in PyTorch on the CPU: samples a second, to set beside `synctalk bench`.

    scripts/torch_reference.py MODEL.stk [--points FILE] [--threads N] [--seconds S] [--samples N]

Needs Debian's python3-torch, python3-numpy and libopenblas0-openmp (the reference BLAS is slow). No
part of building, running or testing synctalk. `synctalk bench --torch scripts/torch_reference.py`
runs it and shows the ratio. Prints one JSON object:

    inference  forward without gradients, colour and density of all samples
    step       forward, backward and AdamW over all hash tables and layers

Each after a warm-up; median, least and greatest of the runs. Of the ways to look up the tables
(index_select, gather, embedding) and of several batch sizes the fastest on this machine is taken.
--points: a safetensors file with points, conditions and synctalk's own sigma and rgb there; the
largest differences are printed, and the exit status is 1 if they are more than rounding.

Network: three planes (xy, yz, xz) of a hashed grid, L levels of one feature each; two attention
nets; density and colour nets; uncertainty net (src/kernels/field.h, doc/MODEL.md).
"""
import argparse
import json
import math
import statistics
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F

BASE, FINEST, TABLE_MAX = 64, 512, 1 << 14
PRIME = 2654435761
SIGMA_TOLERANCE, RGB_TOLERANCE = 2e-3, 1e-3  # float32 sums in another order, amplified by exp


def read_safetensors(path):
    """name -> float32 array of the F32 tensors of a file."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(data[first:last], "<f4").reshape(entry["shape"]).copy()
    return tensors


class Grid:
    """Where the four corners of every level lie in the three tables, and their weights."""

    def __init__(self, levels):
        growth = 2.0 ** (math.log2(FINEST / BASE) / (levels - 1)) if levels > 1 else 1.0
        log2_growth = numpy.float32(math.log2(growth))
        scale, side, mask, first, at = [], [], [], [], 0
        for level in range(levels):
            rows = math.ceil(BASE * growth**level) + 1
            entries = (min(rows * rows, TABLE_MAX) + 7) // 8 * 8
            scale.append(numpy.exp2(numpy.float32(level) * log2_growth) * BASE - 1)
            resolution = math.ceil(float(scale[-1])) + 1
            hashed = (resolution + 1) ** 2 > entries
            side.append(resolution + 1)
            mask.append(entries - 1 if hashed else 0)
            first.append(at)
            at += entries
        self.entries = at
        # One column a plane and level, planes outermost, as the nets take them.
        self.axes = [[0] * levels + [1] * levels + [0] * levels,
                     [1] * levels + [2] * levels + [2] * levels]
        self.scale = torch.tensor(numpy.array(scale * 3, numpy.float32))
        self.side = torch.tensor(side * 3, dtype=torch.int32)
        self.mask = torch.tensor(mask * 3, dtype=torch.int32)
        self.first = torch.tensor([plane * at + f for plane in range(3) for f in first],
                                  dtype=torch.int32)

    def corners(self, xyz):
        """xyz [N,3] -> index [4,N,3L] into the joined tables (int32), weight [4,N,3L]."""
        unit = (xyz + 1) * 0.5
        p, q = (unit[:, axis] * self.scale + 0.5 for axis in self.axes)
        cell_p, cell_q = p.floor(), q.floor()
        p, q = p - cell_p, q - cell_q
        x, y = cell_p.int(), cell_q.int()
        dense = x + y * self.side
        # 32-bit products wrap as the hash wants them; tables have a power of two entries
        row = y * (PRIME - (1 << 32))
        next_row = row + (PRIME - (1 << 32))
        index = torch.stack([
            torch.where(self.mask > 0, (a ^ b) & self.mask, dense + step) + self.first
            for a, b, step in ((x, row, 0), (x + 1, row, 1), (x, next_row, self.side),
                               (x + 1, next_row, self.side + 1))
        ])
        p_, q_ = 1 - p, 1 - q
        return index, torch.stack((p_ * q_, p * q_, p_ * q, p * q))


def look_up_index_select(table, index):
    return table.index_select(0, index.view(-1)).view(index.shape)


def look_up_gather(table, index):
    return table.gather(0, index.view(-1).long()).view(index.shape)


def look_up_embedding(table, index):
    return F.embedding(index.view(-1), table.view(-1, 1)).view(index.shape)


LOOK_UPS = {
    "index_select": look_up_index_select,
    "embedding": look_up_embedding,
    "gather": look_up_gather,
}


def harmonics(d):
    """Real spherical harmonics to degree 3 (16 numbers) of unit directions [N,3]."""
    x, y, z = d.unbind(1)
    xx, yy, zz, xy, yz, xz = x * x, y * y, z * z, x * y, y * z, x * z
    return torch.stack(
        (
            torch.full_like(x, 0.28209479177387814),
            -0.48860251190291987 * y,
            0.48860251190291987 * z,
            -0.48860251190291987 * x,
            1.0925484305920792 * xy,
            -1.0925484305920792 * yz,
            0.94617469575755997 * zz - 0.31539156525251999,
            -1.0925484305920792 * xz,
            0.54627421529603959 * (xx - yy),
            0.59004358992664352 * y * (yy - 3 * xx),
            2.8906114426405538 * xy * z,
            0.45704579946446572 * y * (1 - 5 * zz),
            0.3731763325901154 * z * (5 * zz - 3),
            0.45704579946446572 * x * (1 - 5 * zz),
            1.4453057213202769 * z * (xx - yy),
            0.59004358992664352 * x * (3 * yy - xx),
        ),
        1,
    )


class Field:
    def __init__(self, tensors):
        planes = [tensors[f"encoder_{axes}.embeddings"].reshape(-1) for axes in ("xy", "yz", "xz")]
        nets = {"aud_ch_att_net": 2, "eye_att_net": 2, "sigma_net": 3, "color_net": 2, "unc_net": 2}
        levels = tensors["aud_ch_att_net.net.0.weight"].shape[1] // 3
        self.grid = Grid(levels)
        if len(planes[0]) != self.grid.entries:
            sys.exit(f"tables of {len(planes[0])} entries, expected {self.grid.entries}")
        self.table = torch.tensor(numpy.concatenate(planes))
        self.nets = {
            name: [torch.tensor(tensors[f"{name}.net.{i}.weight"]) for i in range(layers)]
            for name, layers in nets.items()
        }
        self.expressions = self.nets["eye_att_net"][-1].shape[0]
        self.look_up = look_up_index_select

    def parameters(self):
        return [self.table] + [w for net in self.nets.values() for w in net]

    def mlp(self, name, x):
        layers = self.nets[name]
        for w in layers[:-1]:
            x = F.relu(F.linear(x, w))
        return F.linear(x, layers[-1])

    def encode(self, xyz):
        with torch.no_grad():
            index, weight = self.grid.corners(xyz)
        return (self.look_up(self.table, index) * weight).sum(0)

    def forward(self, xyz, d, audio, expression, code, train=False):
        """sigma [N], rgb [N,3]; when training the norms of the attentions and the uncertainty, too."""
        n = len(xyz)
        enc = self.encode(xyz)
        heard = self.mlp("aud_ch_att_net", enc)
        seen = self.mlp("eye_att_net", enc)
        h = self.mlp("sigma_net", torch.cat((enc, audio * heard, expression * seen), 1))
        look = torch.cat((harmonics(d), h[:, 1:], code.expand(n, -1)), 1)
        rgb = 1.002 * torch.sigmoid(self.mlp("color_net", look)) - 0.001
        sigma = torch.exp(h[:, 0])
        if not train:
            return sigma, rgb
        unsure = F.softplus(self.mlp("unc_net", enc.detach()))
        return sigma, rgb, heard.norm(dim=1), seen.norm(dim=1), unsure


# --- measuring --------------------------------------------------------------------------------


def timed(work, seconds, runs_least=2, runs_most=15):
    work()
    times, end = [], time.perf_counter() + seconds
    while len(times) < runs_least or (len(times) < runs_most and time.perf_counter() < end):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def figures(times, samples, **choice):
    median = statistics.median(times)
    return {
        "samples_per_s": samples / median,
        "median_s": median,
        "min_s": min(times),
        "max_s": max(times),
        "runs": len(times),
        **choice,
    }


def fastest(choices, prepare, seconds):
    """The choice whose work, prepared by prepare(choice), is fastest in two runs; those for which
    there is no time are not tried."""
    times, end = {}, time.perf_counter() + seconds
    for choice in choices:
        if not times or time.perf_counter() < end:
            times[choice] = min(timed(prepare(choice), 0, 2))
    return min(times, key=times.get)


def measure_inference(field, inputs, seconds):
    xyz, d, conditions = inputs

    def prepare(choice):
        look_up, batch = choice

        def work():
            field.look_up = LOOK_UPS[look_up]
            with torch.inference_mode():
                for at in range(0, len(xyz), batch):
                    field.forward(xyz[at : at + batch], d[at : at + batch], *conditions)

        return work

    batches = [b for b in (8192, 2048, len(xyz)) if b <= len(xyz)]
    choice = fastest([(name, b) for b in batches for name in LOOK_UPS], prepare, seconds)
    return figures(timed(prepare(choice), seconds), len(xyz), look_up=choice[0], batch=choice[1])


def measure_step(field, inputs, seconds):
    xyz, d, conditions = inputs
    n = len(xyz)
    for p in field.parameters():
        p.requires_grad_(True)
    # A rate this small leaves the weights where they are, however often this runs.
    optimiser = torch.optim.AdamW(field.parameters(), lr=1e-12, betas=(0, 0.99), eps=1e-8,
                                  weight_decay=0, foreach=True)
    wanted = [torch.rand(n) - 0.5, torch.rand(n, 3) - 0.5, torch.rand(n) - 0.5,
              torch.rand(n) - 0.5, torch.rand(n, 1) - 0.5]
    audio = conditions[0].clone().requires_grad_(True)
    code = conditions[2].clone().requires_grad_(True)

    def prepare(look_up):
        def work():
            field.look_up = LOOK_UPS[look_up]
            outputs = field.forward(xyz, d, audio, conditions[1], code, train=True)
            torch.autograd.backward(outputs, wanted)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            audio.grad = code.grad = None

        return work

    choice = fastest(list(LOOK_UPS), prepare, seconds)
    return figures(timed(prepare(choice), seconds), n, look_up=choice, batch=n)


def compare(field, path):
    """Largest relative difference of sigma and largest difference of rgb from synctalk's."""
    t = {name: torch.tensor(a) for name, a in read_safetensors(path).items()}
    with torch.inference_mode():
        sigma, rgb = field.forward(t["xyz"], t["dir"], t["audio"], t["exp"], t["code"])
    error = (sigma - t["sigma"]).abs() / t["sigma"].abs().clamp_min(1e-12)
    return float(error.max()), float((rgb - t["rgb"]).abs().max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--points")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--samples", type=int, default=32768)
    options = parser.parse_args()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    field = Field(read_safetensors(options.model))
    n = options.samples
    xyz = (torch.rand(n, 3) * 2 - 1) * torch.tensor([0.9, 0.45, 0.9])
    d = F.normalize(torch.randn(n, 3), dim=1)
    conditions = (torch.randn(32), torch.rand(field.expressions), torch.randn(4) * 0.1)
    answer = {"torch": torch.__version__, "threads": torch.get_num_threads(), "samples": n}
    failed = False
    if options.points:
        answer["sigma_error"], answer["rgb_error"] = compare(field, options.points)
        failed = not (answer["sigma_error"] < SIGMA_TOLERANCE and
                      answer["rgb_error"] < RGB_TOLERANCE)
    inputs = (xyz, d, conditions)
    answer["inference"] = measure_inference(field, inputs, options.seconds / 4)
    answer["step"] = measure_step(field, inputs, options.seconds / 4)
    print(json.dumps(answer))
    if failed:
        sys.exit(f"{options.points}: sigma or rgb differ from PyTorch's by more than rounding: "
                 f"{answer['sigma_error']:.2e}, {answer['rgb_error']:.2e}")


if __name__ == "__main__":
    main()
