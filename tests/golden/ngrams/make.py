#!/usr/bin/env python3
"""Writes the files of this folder: a small model with n-gram rows and embed-dim, by PyTorch.

Usage: make.py FOLDER, with PyTorch and NumPy. Written from docs/file-formats.md and the comments in
src/model/ngrams.h and src/train/contrastive_loss.h; nothing here calls our C code. The stored runs
are in float64; how far the same runs in float32 are from them is printed.

    pairs.tsv               prompt TAB picture, sorted as a dataset sorts them
    features.safetensors    the pictures' features
    initial.safetensors     the model before the first step
    all.txt, batch.txt      negatives = all pictures, and = batch; one line per step: loss, norm of
                            the gradient before clipping, rows of the batch
    all.safetensors, batch.safetensors
                            gradients of the first step (grad0.NAME), last weights (final.NAME)
"""
import json
import math
import os
import struct
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, LAYERS, FF, BLOCK = 24, 3, 2, 30, 20
D, E, ROWS, HIDDEN = 16, 8, 200, 22
PICTURES, BATCH, STEPS = 12, 12, 8
TEMPERATURE, WEIGHT, CLIP = 0.1, 0.5, 0.5
LR, BETAS, EPS, DECAY = 3e-3, (0.9, 0.98), 1e-8, 0.05

PROMPTS = {  # the pictures of each prompt; two are the same when they are cut to BLOCK characters
    '': [0, 7], ' ': [3], 'a': [1], 'red': [2], 'red heart': [2, 3, 5], 'red  heart': [5],
    'red hearts': [3], ' red heart': [2], 'red heart ': [4], 'blue heart': [4, 5], 'blue car': [6],
    'blue cars': [6], 'car': [6, 7], 'cable car': [7], 'a car in the snow': [8],
    'snow mountain': [8], 'mountain': [9], 'mountains': [9, 8], 'grinning face': [10],
    'grinning face with big eyes': [10], 'grinning face with smiling eyes': [11],
    'grinning face with smiling mouth': [11, 2], 'face': [10, 11, 2], 'fraise à la crème': [0],
    'crème brûlée': [0, 1], 'größer als groß': [1], 'большой дом': [9], '雪山': [8],
    'Red Heart': [2], 'Quartz': [4], 'quiz': [7], 'zigzag': [1], 'zigzag zigzag zigzag': [1, 9],
}
UNKNOWN = set('Qz山')


def hash_row(codes, word):
    if word:
        h = 0x776f726400000000
    else:
        h = 0x6e6772616d000000
        codes = codes[::-1]
    for code in codes:
        h = ((h ^ code) * 0x9e3779b97f4a7c15) % 2 ** 64
        h ^= h >> 29
    return ((h * 0xbf58476d1ce4e5b9) % 2 ** 64 >> 32) * ROWS >> 32


def pieces(codes):
    """The rows that end at each character of a prompt, and at the space after it."""
    if not codes:
        return []
    text, out = [32] + codes + [32], []
    for at in range(1, len(text)):
        rows = [hash_row(text[at - n + 1:at + 1], False) for n in range(2, 7) if at - n + 1 >= 0]
        begin = at
        while text[begin - 1] != 32:
            begin -= 1
        out.append(rows + [hash_row(text[begin:at + 1], True)])
    return out


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH)
        self.ffn1, self.ffn2 = nn.Linear(WIDTH, FF), nn.Linear(FF, WIDTH)

    def forward(self, x, empty):
        n = len(x)
        if empty:  # attends to nothing
            heard = torch.zeros_like(x)
        else:
            q, k, v = self.qkv(self.ln1(x)).view(n, HEADS, 3, WIDTH // HEADS).permute(2, 1, 0, 3)
            score = q @ k.transpose(1, 2) / math.sqrt(WIDTH // HEADS)
            later = torch.ones(n, n, dtype=torch.bool).triu(1)
            heard = score.masked_fill(later, -math.inf).softmax(2) @ v
            heard = heard.transpose(0, 1).reshape(n, WIDTH)
        x = x + self.out(heard)
        return x + self.ffn2(F.relu(self.ffn1(self.ln2(x))))


class Ngram(nn.EmbeddingBag):
    def __init__(self):
        super().__init__(ROWS, WIDTH, mode='sum')
        self.ln, self.ffn1 = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, HIDDEN)
        self.head = nn.Linear(HIDDEN + WIDTH, D, bias=False)
        self.query = nn.Linear(HIDDEN + WIDTH, E, bias=False)

    def sums(self, bags):
        if not bags:
            return torch.zeros(0, WIDTH, dtype=self.weight.dtype)
        first = numpy.cumsum([0] + [len(bag) for bag in bags[:-1]])
        return self(torch.tensor(sum(bags, [])), torch.tensor(first))

    def direct(self, total):
        x = self.ln(total)
        x = torch.cat([F.relu(self.ffn1(x)), x])
        return self.head(x), self.query(x)


class Model(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.names = names
        self.embedding = nn.Embedding(len(names), WIDTH)
        self.layers = nn.ModuleList(Block() for _ in range(LAYERS))
        self.final_ln = nn.LayerNorm(WIDTH)
        self.head, self.query = nn.Linear(WIDTH, D), nn.Linear(WIDTH, E)
        self.picture, self.ngram = nn.Linear(D, E, bias=False), Ngram()
        rate = torch.exp(torch.arange(0, WIDTH, 2).float() * (-math.log(10000.0) / WIDTH))
        angle = torch.arange(BLOCK).float()[:, None] * rate
        table = torch.stack([angle.sin(), angle.cos()], 2).reshape(BLOCK, WIDTH)
        self.register_buffer('position', table, False)

    def ids(self, prompt):
        known = [c if c in self.names else '<UNK>' for c in prompt[:BLOCK]]
        return [self.names.index(c) for c in known or ['<PAD>']]

    def predict(self, prompt):
        ids = self.ids(prompt)
        codes = [ord(c) if c in self.names else 0xffffffff for c in prompt[:BLOCK]]
        sums = self.ngram.sums(pieces(codes))
        x = self.embedding(torch.tensor(ids)) + self.position[:len(ids)]
        if prompt:
            x = x + sums[:-1]
        for layer in self.layers:
            x = layer(x, not prompt)
        x = self.final_ln(x[-1])
        features, query = self.ngram.direct(sums.sum(0))
        return self.head(x) + features, self.query(x) + query

    def loss(self, pairs, batch, features, negatives):
        squares = entropy = 0
        place = F.normalize(self.picture(features), dim=1)
        gallery = {pairs[row][1] for row in batch} if negatives == 'batch' else range(PICTURES)
        for row in batch:
            prompt, image = pairs[row]
            predicted, query = self.predict(prompt)
            score = place @ F.normalize(query, dim=0) / TEMPERATURE
            right = {i for text, i in pairs if self.ids(text) == self.ids(prompt)}
            among = score[[image] + sorted(set(gallery) - right)]
            entropy = entropy + F.cross_entropy(among[None], torch.tensor([0]))
            squares = squares + ((predicted - features[image]) ** 2).sum()
        return squares / (len(batch) * D) + WEIGHT * entropy / len(batch)


def train(model, pairs, batches, features, negatives):
    adamw = torch.optim.AdamW(model.parameters(), LR, BETAS, EPS, DECAY)
    lines, stored = [], {}
    for batch in batches:
        adamw.zero_grad()
        loss = model.loss(pairs, batch, features, negatives)
        loss.backward()
        if not stored:
            stored = {f'grad0.{name}': p.grad.clone() for name, p in model.named_parameters()}
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        lines.append((float(loss), float(norm), batch))
    stored.update({f'final.{name}': p.detach().clone() for name, p in model.named_parameters()})
    return lines, stored


def save(path, tensors, metadata=None):
    header, data = {'__metadata__': metadata} if metadata else {}, b''
    for name, tensor in tensors.items():
        raw = tensor.detach().float().contiguous().numpy().astype('<f4').tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b' ' * (-(len(text) + 8) % 64)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + data)


def main(folder):
    torch.manual_seed(17)
    number, pairs = {}, []  # pictures are numbered by first use
    for prompt in sorted(PROMPTS, key=lambda text: text.encode()):
        for image in PROMPTS[prompt]:
            number.setdefault(image, len(number))
            pairs.append((prompt, image))
    pairs = [(prompt, number[image]) for prompt, image in pairs]
    names = sorted(set(''.join(PROMPTS)) - UNKNOWN) + ['<PAD>', '<UNK>']
    features = torch.randn(PICTURES, D)
    model = Model(names)
    for name, p in model.named_parameters():
        if name == 'ngram.weight':
            nn.init.normal_(p, std=0.3)
        elif 'ln' in name:
            nn.init.normal_(p, 1.0 if name.endswith('weight') else 0.0, 0.2)
    initial = {name: p.detach().clone() for name, p in model.named_parameters()}
    config = {'vocab_size': len(names), 'd_model': WIDTH, 'n_heads': HEADS, 'n_layers': LAYERS,
              'd_ff': FF, 'block_size': BLOCK, 'vision_feature_dim': D, 'ngram_buckets': ROWS,
              'ngram_hidden': HIDDEN, 'embed_dim': E}
    metadata = {'t2i.config': json.dumps(config), 't2i.vocab': json.dumps(names)}
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'pairs.tsv'), 'w') as file:
        file.writelines(f'{prompt}\t{image}\n' for prompt, image in pairs)
    save(os.path.join(folder, 'features.safetensors'), {'pictures': features})
    save(os.path.join(folder, 'initial.safetensors'), initial, metadata)
    for negatives in 'all', 'batch':
        batches = [torch.randperm(len(pairs))[:BATCH].tolist() for _ in range(STEPS)]
        runs = []
        for dtype in torch.float64, torch.float32:
            model.load_state_dict(initial)
            runs.append(train(model.to(dtype), pairs, batches, features.to(dtype), negatives))
        (lines, stored), (lines32, stored32) = runs
        with open(os.path.join(folder, f'{negatives}.txt'), 'w') as file:
            for loss, norm, batch in lines:
                file.write(f"{loss:.12g} {norm:.12g} {' '.join(map(str, batch))}\n")
        save(os.path.join(folder, f'{negatives}.safetensors'), stored)
        losses = max(abs(a[0] - b[0]) / a[0] for a, b in zip(lines, lines32))
        worst = {'grad0': 0, 'final': 0}  # of the largest element of a tensor
        for name, exact in stored.items():
            off = float((exact - stored32[name]).abs().max() / exact.abs().max())
            worst[name[:5]] = max(worst[name[:5]], off)
        print(f"{negatives}: float32 is off by {losses:.1e} (losses), {worst['grad0']:.1e} "
              f"(gradients), {worst['final']:.1e} (weights)")


main(sys.argv[1])
