#!/usr/bin/env python3
"""pose_table.py SUBJECT... - what the stabiliser made of several clips, as one Markdown table.

Reads report.json and manifest.json of subjects made by `synctalk prepare`. Pixels are those of
picture.mp4; in brackets those of the clip, where the square cut from it was enlarged or reduced.
Jitter: of the motion tracker's fit of each frame alone, of its poses smoothed, of the adjusted ones.
"""
import json
import os
import sys


def number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def row(folder):
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    pose = report["pose"]
    figures = manifest["steps"]["face"]["figures"]
    crop, width = manifest["source"]["crop"], manifest["picture"]["width"]
    median, scale = pose["reprojection_median_px"], (crop[2] - crop[0]) / width
    own = "" if scale == 1 or median is None else f" ({median * scale:.3f})"
    kinds = ("unsmoothed_", "coarse_", "")
    jitter = [
        ", ".join(number(pose.get(f"jitter_{kind}{unit}"), 3) for kind in kinds)
        for unit in ("rot_deg", "px")
    ]
    frames = manifest["picture"]["frames"]
    cells = [
        manifest["name"],
        frames,
        f"{number(median, 3)}{own}, {number(pose['reprojection_p95_px'], 2)}",
        *jitter,
        " ".join(f"{cut:.2f}" for cut in pose["cuts"]) or "none",
        frames - figures["faces_found"],
        manifest["steps"]["stabilise"]["figures"].get("frames_hard", "-"),
        number(pose["frames_per_second"], 1),
        pose["verdict"],
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.splitlines()[0])
    print("| clip | frames | reprojection, px: median, 95 % | jitter, degrees | jitter, px "
          "| cuts, s | frames without a face | hard frames | frames/s | verdict |")
    print("|" + "---|" * 10)
    for folder in sys.argv[1:]:
        print(row(folder))


if __name__ == "__main__":
    main()
