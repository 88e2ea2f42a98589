import json
from safetensors import safe_open
with safe_open("runs/shapes/model.safetensors", "numpy") as f:
    print(json.loads(f.metadata()["t2i.config"])["d_model"], len(list(f.keys())), "tensors")
    weights = {name: f.get_tensor(name) for name in f.keys()}
