"""Compares an ONNX file of t2i-model with the library. The functions that make its inputs are taken from docs/pytorch.md.
Usage: onnx_compare.py MODEL MODEL.onnx DATASET PICTURES, with examples/ in PYTHONPATH and T2I_LIBRARY set."""
import random
import re
import sys

import numpy as np
import onnxruntime
import t2i

TOLERANCE = 1e-5


def check(condition, text):
    if not condition:
        sys.exit(f"FAILED: {text}")


def documented():
    """The functions of the document: all Python blocks that define any."""
    names = {}
    for block in re.findall(r"```python\n(.*?)```", open("docs/pytorch.md").read(), re.DOTALL):
        if "def " in block:
            exec(block, names)
    return names


def make_prompts(model):
    """1,000 prompts of all lengths: words, characters of the vocabulary in any order, and unknown characters."""
    draw, block = random.Random(1), model.prompt_length
    known = [t for t in model.tokens() if len(t) == 1]
    words = ("a the small large tiny huge old red green blue pink grey circle square star heart above below beside and of "
             "on it is").split()
    fixed = ["", " ", "  ", "a", "é", "\U0001f642", " a", "a ", "a  b", "<PAD>", known[0] * block, known[-1] * (block + 1),
             "a red square " * (block // 4 + 1), "ж" * block, "red\tsquare", "a\nb"]
    prompts = fixed + known
    while len(prompts) < 1000:
        length = draw.choice([1, 2, 5, 20, block - 1, block, block + 3])
        kind = len(prompts) % 3
        if kind == 0:
            prompts.append(" ".join(draw.choice(words) for _ in range(draw.randint(1, 9))))
        elif kind == 1:
            prompts.append("".join(draw.choice(known) for _ in range(length)))
        else:
            prompts.append("".join(draw.choice(known + [" ", "ж", "中", "\U0001f642", "\x7f"]) for _ in range(length)))
    return [p.replace("\0", "") for p in prompts[:1000]]


def main():
    path, exported, dataset, pictures = sys.argv[1:]
    names, model = documented(), t2i.Predictor(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 2, 1
    session = onnxruntime.InferenceSession(exported, options)
    meta = session.get_modelmeta().custom_metadata_map
    prompts, worst = make_prompts(model), {}
    features, places = model.place(prompts)
    for batch in (1, 7, 64):
        for first in range(0, 1000 if batch > 1 else 100, batch):
            feed = names["inputs"](prompts[first:first + batch], meta)
            for name, value in zip([o.name for o in session.get_outputs()], session.run(None, feed)):
                right = {"features": features, "query": places}.get(name)
                if right is not None:
                    far = float(np.abs(value - right[first:first + batch]).max())
                    worst[name] = max(worst.get(name, 0), far)
    check(("query" in worst) == ('"embed_dim"' in meta["t2i.config"]), "the outputs")
    for name, far in worst.items():
        check(far < TOLERANCE, f"{name} is off by {far:.2g}")
    if dataset:
        index = t2i.Index(dataset, model)
        ask = prompts[::10]
        ours = [int(row[0]) for row in index.nearest_places(model.place(ask)[1], top=1)[0]]
        check(len(set(ours)) > 5, "all prompts find the same pictures")
        check(names["find"](session, ask, np.load(pictures)) == ours, "another first picture")
    largest = float(np.abs(features).max())
    print(f"onnxruntime {onnxruntime.__version__}: largest difference {worst}, of features up to {largest:.2g}")


main()
