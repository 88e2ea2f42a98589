"""A model of t2i-train in PyTorch: the class, prediction, and the nearest pictures. Needs torch and numpy, and nothing of ours.

    t2i-data export data/shapes.h5 --to npy --out gallery        # features.npy and pairs.jsonl
    python3 pytorch_model.py runs/shapes/model.safetensors gallery euclidean 3 "a small red circle"

prints prompt, distance and name of the nearest pictures, as t2i.py does. All models are read: with and without
`ngram-buckets` and `embed-dim`. The names of the modules are those of the tensors in the file (docs/file-formats.md).
"""
import json
import math
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

PIECES = (2, 3, 4, 5, 6)  # lengths of n-grams; the word so far is one more piece


def read_safetensors(path):
    """Tensors by name, and the metadata."""
    with open(path, "rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        meta, data, tensors = head.pop("__metadata__"), bytearray(file.read()), {}
    for name, entry in head.items():
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(entry["shape"])
    return tensors, meta


class Layer(nn.Module):
    def __init__(self, d, heads, hidden, linear, name):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = linear(name + "qkv", d, 3 * d), linear(name + "out", d, d)
        self.ffn1, self.ffn2 = linear(name + "ffn1", d, hidden), linear(name + "ffn2", hidden, d)

    def forward(self, x, not_empty):
        batch, length, d = x.shape
        qkv = self.qkv(self.ln1(x)).view(batch, length, self.heads, 3 * d // self.heads)
        q, k, v = qkv.transpose(1, 2).chunk(3, dim=-1)  # per head the rows q, k, v
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True) * not_empty
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, d))
        return x + self.ffn2(F.relu(self.ffn1(self.ln2(x))))


class Model(nn.Module):
    """Model(path): prompts in; features, and places in the space that is searched, out."""

    def __init__(self, path):
        super().__init__()
        tensors, meta = read_safetensors(path)
        c, self.vocab = json.loads(meta["t2i.config"]), json.loads(meta["t2i.vocab"])

        def linear(name, inputs, outputs):
            return nn.Linear(inputs, outputs, bias=name + ".bias" in tensors)
        d, wide, features = c["d_model"], c["d_model"] + c.get("ngram_hidden", 0), c["vision_feature_dim"]
        self.block_size, self.buckets, place = c["block_size"], c.get("ngram_buckets", 0), c.get("embed_dim", 0)
        self.number = {character: i for i, character in enumerate(self.vocab)}
        self.pad = self.number["<PAD>"]
        self.unknown = self.number.get("<UNK>", self.pad)
        self.embedding = nn.Embedding(c["vocab_size"], d)
        self.layers = nn.ModuleList(Layer(d, c["n_heads"], c["d_ff"], linear, f"layers.{i}.") for i in range(c["n_layers"]))
        self.final_ln, self.head = nn.LayerNorm(d), linear("head", d, features)
        self.query, self.picture = (linear("query", d, place), linear("picture", features, place)) if place else (None, None)
        self.ngram = nn.Module() if self.buckets else None
        if self.buckets:
            self.ngram.weight = nn.Parameter(torch.empty(self.buckets, d))
            self.ngram.ln, self.ngram.ffn1 = nn.LayerNorm(d), nn.Linear(d, wide - d)
            self.ngram.head = linear("ngram.head", wide, features)
            self.ngram.query = linear("ngram.query", wide, place) if place else None
        position = torch.arange(self.block_size).unsqueeze(1)
        rate = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        self.position = torch.stack([torch.sin(position * rate), torch.cos(position * rate)], 2).flatten(1)
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(("adamw.", "ema."))}
        self.load_state_dict(own)

    def forward(self, prompts):
        texts = [prompt[:self.block_size] for prompt in prompts]
        longest = max([1] + [len(t) for t in texts])
        ids = torch.tensor([[self.number.get(c, self.unknown) for c in t] + [self.pad] * (longest - len(t)) for t in texts])
        length = torch.tensor([len(t) for t in texts])
        x = self.embedding(ids) + self.position[:longest]
        if self.buckets:
            rows = [self.rows(t) + [[-1] * (len(PIECES) + 1)] * (longest - len(t)) for t in texts]
            table = torch.cat([self.ngram.weight, torch.zeros(1, x.shape[2])])  # -1 is the row of zeros
            pieces = table[torch.tensor(rows)].sum(2)
            x = x + pieces[:, :longest]
        not_empty = (length > 0).view(-1, 1, 1, 1)
        for layer in self.layers:
            x = layer(x, not_empty)
        last = self.final_ln(x[torch.arange(len(texts)), (length - 1).clamp(min=0)])
        features, query = self.head(last), self.query(last) if self.query else None
        if self.buckets:
            normal = self.ngram.ln(pieces.sum(1))
            direct = torch.cat([F.relu(self.ngram.ffn1(normal)), normal], 1)
            features = features + self.ngram.head(direct)
            query = query + self.ngram.query(direct) if self.query else None
        return features, F.normalize(query, dim=1) if self.query else features

    def rows(self, text):
        """For each character, and the space after the last one: the rows of the pieces that end there, -1 for none."""
        codes, out, word = [32] + [ord(c) if c in self.number else 2**32 - 1 for c in text] + [32], [], 1
        for end in range(1, len(codes)):
            word = end if codes[end - 1] == 32 else word
            grams = [codes[end - n + 1:end + 1][::-1] if n <= end + 1 and text else None for n in PIECES]
            out.append([-1 if gram is None else self.row(0x6E6772616D000000, gram) for gram in grams])
            out[-1].append(self.row(0x776F726400000000, codes[word:end + 1]) if text else -1)
        return out

    def row(self, hash_, codes):
        for code in codes:
            hash_ = (hash_ ^ code) * 0x9E3779B97F4A7C15 % 2**64
            hash_ ^= hash_ >> 29
        return (hash_ * 0xBF58476D1CE4E5B9 % 2**64 >> 32) * self.buckets >> 32

    def nearest(self, prompts, gallery, metric="euclidean", top=5):
        """Distances and numbers of the nearest of the pictures' features (pictures, D), nearest first."""
        place = self(prompts)[1]
        pictures = F.normalize(self.picture(gallery), dim=1) if self.picture else gallery
        if metric == "cosine":
            far = 1 - F.normalize(place, dim=1) @ F.normalize(pictures, dim=1).T
        else:
            far = (place.unsqueeze(1) - pictures).norm(dim=2)
        return far.topk(top, largest=False)


def main(path, folder, metric, top, *prompts):
    with torch.no_grad():
        gallery = torch.from_numpy(np.load(folder + "/features.npy"))
        distances, numbers = Model(path).nearest(prompts, gallery, metric, int(top))
    pairs = [json.loads(line) for line in open(folder + "/pairs.jsonl")]
    names = list(dict.fromkeys(pair["image_path"] for pair in pairs))  # row i is the i-th picture that the list names
    for prompt, far, row in zip(prompts, distances, numbers):
        for distance, number in zip(far, row):
            print(prompt, "%.9g" % distance, names[number], sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
