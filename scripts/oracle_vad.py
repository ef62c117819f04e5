#!/usr/bin/env python3
"""oracle_vad.py - Silero's voice activity network in PyTorch, to compare
src/face_sync/voice_activity.c with.

    scripts/oracle_vad.py silero_vad_16k.safetensors

Prints the probabilities that tests/unit/test_face_sync_voice_activity.c expects, for the sound that
the formula below makes. Needs python3-torch; never needed to build, run or test.
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

PIECES = 24


def tensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            lo, hi = entry["data_offsets"]
            array = np.frombuffer(data[lo:hi], "<f4").reshape(entry["shape"])
            out[name] = torch.from_numpy(array.copy())
    return out


def sound():
    """A buzz of 140 Hz with gliding formants, which comes and goes, in noise; integers only where
    it matters."""
    n = np.arange(PIECES * 512)
    t = n / 16000
    noise = ((n * n % 7919 * 104729 + n * 1299709) % 65536) / 32768.0 - 1
    buzz = np.zeros(len(n))
    for k in range(1, 20):
        f = 140.0 * k
        first, second = 500 + 200 * np.sin(9 * t), 1500 + 500 * np.sin(7 * t)
        gain = 1 / (1 + ((f - first) / 100) ** 2) + 0.5 / (1 + ((f - second) / 150) ** 2)
        buzz += gain * np.sin(2 * np.pi * f * t)
    loud = np.clip(np.sin(2 * np.pi * 2.5 * t), 0, 1)
    return (0.2 * loud * buzz + 0.003 * noise).astype(np.float32)


def main(path):
    w = tensors(path)
    cell = torch.nn.LSTMCell(128, 128)
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(cell, name).copy_(w["lstm_cell." + name])
        state, context = None, torch.zeros(64)
        for piece in torch.from_numpy(sound()).split(512):
            x = torch.cat([context, piece])[None, None]
            context = piece[-64:]
            x = F.conv1d(F.pad(x, (0, 64), mode="reflect"), w["stft_conv.weight"], stride=128)
            x = torch.sqrt(x[:, :129] ** 2 + x[:, 129:] ** 2)
            for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
                x = F.relu(F.conv1d(x, w[name + ".weight"], w[name + ".bias"], stride, 1))
            state = cell(x[:, :, 0], state)
            y = F.conv1d(F.relu(state[0])[:, :, None], w["final_conv.weight"], w["final_conv.bias"])
            print(f"{torch.sigmoid(y).item():.7f},")


if __name__ == "__main__":
    main(sys.argv[1])
