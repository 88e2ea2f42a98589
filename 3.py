import numpy
from safetensors.numpy import save_file
features = {f"{name}.png": numpy.random.rand(512).astype("float32") for name in ("cat", "dog")}
save_file(features, "features.safetensors")
