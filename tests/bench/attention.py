"""Times PyTorch's scaled_dot_product_attention, causal, forward and backward: python3 attention.py [T [HEADS [DK]]].
Prints one line of JSON; cpu_ms is processor time."""
import json, sys, time
import torch

T, H, dk = (list(map(int, sys.argv[1:])) + [512, 8, 64][len(sys.argv) - 1:])
torch.set_num_threads(1)
g = torch.Generator().manual_seed(1)
qkv = torch.randn(1, T, H, 3 * dk, generator=g, requires_grad=True)
dout = torch.randn(1, T, H * dk, generator=g)


def compute():
    qkv.grad = None
    q, k, v = qkv.permute(0, 2, 1, 3).chunk(3, dim=-1)
    o = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    o.permute(0, 2, 1, 3).reshape(1, T, H * dk).backward(dout)


compute()
repeats, spent = 1, 0.0
while spent < 1.0:
    t, cpu = time.time(), time.process_time()
    for _ in range(repeats):
        compute()
    spent, cpu = time.time() - t, time.process_time() - cpu
    done, repeats = repeats, 2 * repeats
print(json.dumps(dict(T=T, heads=H, dk=dk, ms=round(1e3 * spent / done, 3), cpu_ms=round(1e3 * cpu / done, 3))))
