#!/usr/bin/env python3
"""adamw.py - norm, clip and AdamW by PyTorch (clip_grad_norm_, fused AdamW), one thread: what adamw.c does.

Usage: adamw.py. Prints a line of JSON: the median milliseconds of an update of the tensors of d 128, 4 layers, d-ff 512,
100 characters, 512 features (0.9 million parameters), the gradients being rewritten before each."""
import json
import statistics
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(1)
D, FF, LAYERS = 128, 512, 4
shapes = [(100, D)]
for _ in range(LAYERS):
    shapes += [(D,), (D,), (3 * D, D), (D, D), (D,), (D,), (D,), (FF, D), (FF,), (D, FF), (D,)]
shapes += [(D,), (D,), (512, D), (512,)]
weights = [torch.nn.Parameter(torch.randn(s)) for s in shapes]
fresh = [torch.randn(s) for s in shapes]
for w in weights:
    w.grad = torch.zeros_like(w)
optimizer = torch.optim.AdamW(weights, lr=1e-4, weight_decay=0.01, fused=True)


def update():
    for w, g in zip(weights, fresh):
        w.grad.copy_(g)
    began = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    return time.perf_counter() - began


for _ in range(20):
    update()
ms = 1e3 * statistics.median(update() for _ in range(201))
print(json.dumps({"bench": "adamw", "torch": torch.__version__, "parameters": sum(w.numel() for w in weights), "ms": round(ms, 4)}))
