"""libt2i for Python: prompts in, numpy arrays out. Needs numpy; copy this file into your project.

    import t2i
    model = t2i.Predictor("runs/shapes")
    pictures = t2i.Index(model.dataset, model)
    features, places = model.place(["a small red circle"])       # (1, D) and (1, E) float32
    numbers, distances = pictures.nearest_places(places, top=3)  # (1, 3) each
    print([pictures.name(n) for n in numbers[0]])
    rgb = pictures.decode(features)                              # (1, H, W, 3) uint8

The library is libt2i.so.1, or the path in T2I_LIBRARY in the environment. Errors raise t2i.Error,
whose `status` is the t2i_status. As a program it prints the nearest pictures:
t2i.py RUN DATASET METRIC TOP PROMPT...
"""
import ctypes as c
import os
import sys

import numpy as np


class Error(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class _Error(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 1024)]


class _PredictorInfo(c.Structure):
    _fields_ = [("path", c.c_char_p), ("dataset", c.c_char_p)] + \
        [(name, c.c_size_t) for name in ("features", "prompt_length", "vocabulary", "parameters", "layers", "heads",
                                         "width", "hidden_width")] + \
        [("step", c.c_long), ("verified", c.c_int), ("place_size", c.c_size_t)]


class _IndexInfo(c.Structure):
    _fields_ = [("path", c.c_char_p), ("digest", c.c_char_p), ("encoder", c.c_char_p)] + \
        [(name, c.c_size_t) for name in ("pictures", "features", "height", "width")] + \
        [("has_pixels", c.c_int), ("has_decoder", c.c_int), ("place_size", c.c_size_t)]


_near = np.dtype([("image", np.uintp), ("distance", np.float64)])
_lib = c.CDLL(os.environ.get("T2I_LIBRARY", "libt2i.so.1"))
_lib.t2i_version.restype = c.c_char_p
_lib.t2i_predictor_get_info.restype = c.POINTER(_PredictorInfo)
_lib.t2i_index_get_info.restype = c.POINTER(_IndexInfo)
_lib.t2i_predictor_token.restype = c.c_char_p
for _name in ("t2i_predictor_get_info", "t2i_predictor_close", "t2i_index_get_info", "t2i_index_close"):
    getattr(_lib, _name).argtypes = [c.c_void_p]
_lib.t2i_predictor_token.argtypes = [c.c_void_p, c.c_size_t]

version = _lib.t2i_version().decode()
METRICS = {"euclidean": 0, "cosine": 1}


def _call(function, *arguments):
    error = _Error()
    status = getattr(_lib, function)(*arguments, c.byref(error))
    if status != 0:
        raise Error(status, error.text.decode(errors="replace"))


def _pointer(array):
    return array.ctypes.data_as(c.c_void_p)


class _Handle:
    """Base class. The members of the C structure that describes the handle are its attributes."""

    def __init__(self, path, *more):
        self._handle = None
        handle = c.c_void_p()
        _call(self._open, c.byref(handle), os.fsencode(path), *more)
        self._handle = handle
        info = getattr(_lib, f"t2i_{self._kind}_get_info")(handle).contents
        for name, _ in info._fields_:
            value = getattr(info, name)
            setattr(self, name, os.fsdecode(value) if isinstance(value, bytes) else value)

    def close(self):
        if self._handle is not None:
            getattr(_lib, f"t2i_{self._kind}_close")(self._handle)
            self._handle = None

    def __del__(self):
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _matrix(self, rows, width):
        array = np.ascontiguousarray(rows, np.float32)
        if array.ndim != 2 or array.shape[1] != width:
            raise ValueError(f"the shape must be (n, {width}), not {array.shape}")
        return array


class Predictor(_Handle):
    _kind, _open = "predictor", "t2i_predictor_open"

    def predict(self, prompts):
        """Predicted features, (n, features) float32."""
        return self.place(prompts)[0]

    def place(self, prompts):
        """Predicted features, and the places of the prompts in the search space, (n, place_size) float32."""
        texts = (c.c_char_p * len(prompts))(*[p.encode() for p in prompts])
        features = np.empty((len(prompts), self.features), np.float32)
        places = np.empty((len(prompts), self.place_size), np.float32)
        _call("t2i_predictor_place", self._handle, texts, c.c_size_t(len(prompts)), _pointer(features), _pointer(places))
        return features, places

    def examine(self, prompt):
        """Returns the number of truncated characters, and the characters not in the vocabulary."""
        text = prompt.encode()
        cut, unknown = c.c_size_t(), c.create_string_buffer(len(text) + 1)
        _call("t2i_predictor_examine", self._handle, text, c.byref(cut), unknown)
        return cut.value, unknown.value.decode()

    def tokens(self):
        return [_lib.t2i_predictor_token(self._handle, i).decode() for i in range(self.vocabulary)]


class Index(_Handle):
    """Without a predictor it is searched by features (nearest), with one by places (nearest_places)."""
    _kind, _open = "index", "t2i_index_open_for"

    def __init__(self, path, predictor=None):
        super().__init__(path, predictor and predictor._handle)

    def nearest(self, features, metric="euclidean", top=5):
        """Numbers and distances of the nearest pictures, (n, top) each, nearest first."""
        return self._search("t2i_index_nearest", self._matrix(features, self.features), metric, top)

    def nearest_places(self, places, metric="euclidean", top=5):
        """The same for places of the predictor."""
        return self._search("t2i_index_nearest_places", self._matrix(places, self.place_size), metric, top)

    def _search(self, function, array, metric, top):
        near = np.empty((len(array), top), _near)
        _call(function, self._handle, METRICS[metric], _pointer(array), c.c_size_t(len(array)), c.c_size_t(top),
              _pointer(near))
        return near["image"], near["distance"]

    def name(self, number):
        name = c.c_char_p()
        _call("t2i_index_name", self._handle, c.c_size_t(int(number)), c.byref(name))
        return os.fsdecode(name.value)

    def picture(self, number):
        """A stored picture, (height, width, 3) uint8."""
        rgb = np.empty((self.height, self.width, 3), np.uint8)
        _call("t2i_index_picture", self._handle, c.c_size_t(int(number)), _pointer(rgb))
        return rgb

    def decode(self, features):
        """Pictures drawn from features, (n, height, width, 3) uint8."""
        array = self._matrix(features, self.features)
        rgb = np.empty((len(array), self.height, self.width, 3), np.uint8)
        _call("t2i_index_decode", self._handle, _pointer(array), c.c_size_t(len(array)), _pointer(rgb))
        return rgb

    def draw(self, features, place):
        """A prompt as t2i-generate draws it, (height, width, 3) uint8, and what it is drawn from."""
        array, at = self._matrix([features], self.features), self._matrix([place], self.place_size)
        rgb, drawn = np.empty((self.height, self.width, 3), np.uint8), c.c_char_p()
        _call("t2i_index_draw", self._handle, _pointer(array), _pointer(at), _pointer(rgb), c.byref(drawn))
        return rgb, drawn.value.decode()


def _main(run, dataset, metric, top, *prompts):
    model = Predictor(run)
    pictures = Index(dataset, model)
    numbers, distances = pictures.nearest_places(model.place(prompts)[1], metric, int(top))
    for prompt, row, far in zip(prompts, numbers, distances):
        for number, distance in zip(row, far):
            print(prompt, "%.9g" % distance, pictures.name(number), sep="\t")


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except Error as error:
        print("t2i.py:", error, file=sys.stderr)
        sys.exit(error.status)
