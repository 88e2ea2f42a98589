"""Features of your own CLIP for t2i-data build: the vectors of the pictures of a list, as a .npy file. Needs torch, open_clip
and Pillow, and the weights of a CLIP, which open_clip downloads or takes from a file. No test runs it, for these reasons.

    python3 clip_features.py pets.csv photos ViT-B-32 laion2b_s34b_b79k pets.npy
    t2i-data build --pairs pets.csv --features pets.npy --out pets.h5
    t2i-train --data pets.h5 --out runs/pets --loss contrastive --embed-dim 256 --batch 64 --lr 1e-3 --clip 1 --steps 5000

The file has one row for each row of the list, so that vectors and prompts belong together by position; of pictures that occur
several times each row is the same (docs/datasets.md, "Ready features"). t2i-train learns to predict these vectors from
prompts; the text side of CLIP is not used. There are no pixels, so t2i-generate lists names and draws nothing.
"""
import csv
import os
import sys

import numpy as np
import open_clip
import torch
from PIL import Image


def main(table, folder, name, weights, out):
    with open(table, newline="", encoding="utf-8-sig") as file:
        paths = [row["image_path"] for row in csv.DictReader(file)]
    model, _, prepare = open_clip.create_model_and_transforms(name, pretrained=weights)
    model.eval()
    vectors = {}
    for path in dict.fromkeys(paths):
        picture = prepare(Image.open(os.path.join(folder, path)).convert("RGB")).unsqueeze(0)
        with torch.no_grad():
            vectors[path] = torch.nn.functional.normalize(model.encode_image(picture), dim=-1)[0].float().numpy()
    np.save(out, np.stack([vectors[path] for path in paths]))


if __name__ == "__main__":
    main(*sys.argv[1:])
