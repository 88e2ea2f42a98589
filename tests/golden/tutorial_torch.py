"""Loads a .pt that t2i-model exported as the tutorial loads its own, and asks it what t2i-generate was asked.

Usage: tutorial_torch.py MODEL.pt FEATURES.safetensors ANSWERS.json FOLDER
ANSWERS.json is what t2i-generate --json printed for the same model and a dataset of these features. The model is saved
again in FOLDER, with torch's own table of positions, by torch.save in its zip and in its legacy format. Exit code 77 without PyTorch.
"""
import collections
import json
import math
import os
import struct
import sys

try:
    import torch
    import torch.nn as nn
    from torch.nn import functional as F
except ImportError:
    print("this Python has no PyTorch")
    sys.exit(77)


def check(fine, what):
    if not fine:
        print("FAILED:", what)
        sys.exit(1)


def read_safetensors(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header, out = json.loads(data[8:8 + size]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            out[name] = torch.frombuffer(bytearray(data[8 + size + begin:8 + size + end]), dtype=torch.float32).reshape(entry["shape"])
    return out


class Tutorial:
    """The tutorial's loading code, then its forward pass; names and order are its own."""

    def __init__(self, state):
        config = state["config"]
        self.block_size, self.n_heads, self.d_model = config["block_size"], config["n_heads"], config["d_model"]
        self.char_to_int = state["tokenizer"]["char_to_int"]
        self.int_to_char = state["tokenizer"]["int_to_char"]
        self.pad_token_id = self.char_to_int.get("<PAD>", -1)
        self.d_k = self.d_model // self.n_heads
        self.causal_mask = torch.tril(torch.ones(self.block_size, self.block_size)).view(1, 1, self.block_size, self.block_size)
        d_model, d_ff = self.d_model, config["d_ff"]
        self.token_embedding_table = nn.Embedding(config["vocab_size"], d_model)
        self.token_embedding_table.load_state_dict(state["token_embedding_table"])
        self.positional_encoding = state["positional_encoding"]
        self.layers = []
        for i in range(config["n_layers"]):
            layer = {}
            for key, make in (("layer_norms_1", lambda bias: nn.LayerNorm(d_model)),
                              ("mha_qkv_linears", lambda bias: nn.Linear(d_model, 3 * d_model, bias=bias)),
                              ("mha_output_linears", lambda bias: nn.Linear(d_model, d_model, bias=bias)),
                              ("layer_norms_2", lambda bias: nn.LayerNorm(d_model)),
                              ("ffn_linear_1", lambda bias: nn.Linear(d_model, d_ff, bias=bias)),
                              ("ffn_linear_2", lambda bias: nn.Linear(d_ff, d_model, bias=bias))):
                layer[key] = make("bias" in state[key][i])
                layer[key].load_state_dict(state[key][i])
            self.layers.append(layer)
        self.final_layer_norm = nn.LayerNorm(d_model)
        self.final_layer_norm.load_state_dict(state["final_layer_norm"])
        head = state["text_to_image_feature_layer"]
        self.text_to_image_feature_layer = nn.Linear(d_model, config["vision_feature_dim"], bias="bias" in head)
        self.text_to_image_feature_layer.load_state_dict(head)

    @torch.no_grad()
    def predict(self, prompt):
        ids = [self.char_to_int.get(ch, self.pad_token_id) for ch in prompt][:self.block_size]
        mask = [1] * len(ids) + [0] * (self.block_size - len(ids))
        ids = torch.tensor([ids + [self.pad_token_id] * (self.block_size - len(ids))], dtype=torch.long)
        mask = torch.tensor([mask], dtype=torch.long)
        B, T = ids.shape
        x = self.token_embedding_table(ids) + self.positional_encoding[:, :T, :]
        allowed = self.causal_mask[:, :, :T, :T] * mask.unsqueeze(1).unsqueeze(2)
        for layer in self.layers:
            qkv = layer["mha_qkv_linears"](layer["layer_norms_1"](x))
            q, k, v = qkv.view(B, T, self.n_heads, 3 * self.d_k).permute(0, 2, 1, 3).chunk(3, dim=-1)
            scores = (q @ k.transpose(-2, -1)) * (self.d_k ** -0.5)
            weights = torch.nan_to_num(F.softmax(scores.masked_fill(allowed == 0, float("-inf")), dim=-1))
            x = x + layer["mha_output_linears"]((weights @ v).permute(0, 2, 1, 3).contiguous().view(B, T, self.d_model))
            x = x + layer["ffn_linear_2"](F.relu(layer["ffn_linear_1"](layer["layer_norms_2"](x))))
        last = torch.clamp(torch.sum(mask, 1) - 1, min=0)
        return self.text_to_image_feature_layer(self.final_layer_norm(x)[torch.arange(B), last, :])[0]


def check_layout(state):
    check(list(state) == ["config", "tokenizer", "token_embedding_table", "positional_encoding", "layer_norms_1", "mha_qkv_linears",
                          "mha_output_linears", "layer_norms_2", "ffn_linear_1", "ffn_linear_2", "final_layer_norm",
                          "text_to_image_feature_layer"], "keys, in the tutorial's order")
    config = state["config"]
    check(list(config) == ["vocab_size", "d_model", "n_heads", "n_layers", "d_ff", "block_size", "vision_feature_dim"] and
          all(type(v) is int for v in config.values()), "config")
    to_int, to_char = state["tokenizer"]["char_to_int"], state["tokenizer"]["int_to_char"]
    check(len(to_int) == len(to_char) == config["vocab_size"], "vocabulary size")
    check(all(to_char[i] == c and type(i) is int and type(c) is str for c, i in to_int.items()), "tokenizer")
    check(all(type(state[k]) is list and len(state[k]) == config["n_layers"] for k in list(state)[4:10]), "lists of layers")
    for module in [state["token_embedding_table"], state["final_layer_norm"]] + state["ffn_linear_1"]:
        check(type(module) is collections.OrderedDict and hasattr(module, "_metadata"), "a state_dict as torch makes it")
        check(all(t.dtype == torch.float32 and t.is_contiguous() for t in module.values()), "float32 tensors")
    block, d = config["block_size"], config["d_model"]
    position = torch.arange(block, dtype=torch.float).unsqueeze(1)
    rate = torch.exp(torch.arange(0, d, 2, dtype=torch.float) * (-math.log(10000.0) / d))
    table = torch.zeros(1, block, d)
    table[0, :, 0::2], table[0, :, 1::2] = torch.sin(position * rate), torch.cos(position * rate)
    check(state["positional_encoding"].shape == table.shape, "the table of positions' shape")
    check(float((state["positional_encoding"] - table).abs().max()) < 1e-5 + 1.2e-7 * block, "the table of positions")
    return table


def main():
    model, features, answers, folder = sys.argv[1:]
    torch.set_num_threads(1)
    state = torch.load(model, map_location="cpu", weights_only=True)
    table = check_layout(state)
    tutorial, known = Tutorial(state), read_safetensors(features)
    worst = count = 0
    for answer in json.load(open(answers)):
        predicted = tutorial.predict(answer["prompt"])
        distance = {name: float(torch.dist(predicted, vector)) for name, vector in known.items()}
        for near in answer["nearest"]:
            ours, theirs = near["distance"], distance[near["image"].removesuffix(".png")]
            # of a prompt that was learned by heart the distance is a small difference of large numbers
            worst, count = max(worst, abs(ours - theirs) / float(known[near["image"].removesuffix(".png")].norm())), count + 1
        check(answer["nearest"][0]["image"].removesuffix(".png") == min(distance, key=distance.get), "the nearest picture")
    check(count > 0 and worst < 1e-5, f"distances: off by {worst:.2g} of the vectors' length")
    state["positional_encoding"] = table  # torch's own, whose rates are off by a rounding here and there
    torch.save(state, os.path.join(folder, "zip.pt"))
    torch.save(state, os.path.join(folder, "legacy.pt"), _use_new_zipfile_serialization=False)
    print(f"PyTorch {torch.__version__}: {count} distances agree within {worst:.1e}")


main()
