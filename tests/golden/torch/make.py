"""Makes the files beside it. Run by hand, with PyTorch and safetensors; never by make.

small.pt          as torch.save writes today (zip)
small_stream.pth  the same tree as torch.save wrote before PyTorch 1.6
small_tar.pth     a state_dict as PyTorch 0.1.9 and older wrote it; only its loader still exists,
                  so the writer is here, and torch.load must read what it wrote
small.safetensors what the float tensors of the first two hold, as float32, by flattened names
tar.safetensors   the same of the third
Numbers are small fractions, so that float16 and bfloat16 hold them.
"""
import collections
import io
import os
import pickle
import struct
import sys
import tarfile

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(*shape, dtype=torch.float32, start=0):
    count = 1
    for n in shape:
        count *= n
    return ((torch.arange(count) + start) % 61 / 8 - 3).to(dtype).reshape(shape)


def tree():
    base = numbers(6, 4)
    linear = torch.nn.Linear(3, 2)
    norm = torch.nn.BatchNorm2d(2)
    with torch.no_grad():
        linear.weight.copy_(numbers(2, 3, start=5))
        linear.bias.copy_(numbers(2, start=9))
    return {
        'config': {'vocab': 42, 'rate': 1.5e-4, 'none': None, 'yes': True, 'no': False,
                   'big': 2**40, 'least': -2**63, 'negative': -70000, 'text': 'Grün, 绿色\n'},
        'int_to_char': {0: 'a', 255: 'b', 256: 'c', 65536: 'd', -1: '<PAD>'},
        'nested': [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, [[[None]]]],
        'f64': numbers(5, dtype=torch.float64),
        'f16': numbers(2, 3, dtype=torch.float16),
        'bf16': numbers(7, dtype=torch.bfloat16),
        'i64': torch.arange(3), 'i32': torch.arange(3, dtype=torch.int32),
        'i16': torch.arange(3, dtype=torch.int16), 'i8': torch.arange(3, dtype=torch.int8),
        'u8': torch.arange(3, dtype=torch.uint8), 'bool': torch.tensor([True, False]),
        'base': base, 'transposed': base.t(), 'part': base[1:5:2, 1:3], 'row': base[3],
        'number': base[2, 1], 'repeated': base[0, :1].expand(3, 4),
        'empty': torch.zeros(0, 3), 'scalar': torch.tensor(2.5),
        'parameter': torch.nn.Parameter(numbers(4, start=30)),
        'module': linear.state_dict(),
        'modules': [linear.state_dict(), norm.state_dict()],
        'adam': {'state': {0: {'step': torch.tensor(3.), 'exp_avg': numbers(2, 3, start=40)}},
                 'param_groups': [{'lr': 0.001, 'betas': (0.9, 0.999), 'params': [0]}]},
    }


def flatten(value, name, out):
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            out[name] = value.detach().float().contiguous().clone()
    elif isinstance(value, dict):
        for key, item in value.items():
            flatten(item, f'{name}.{key}' if name else str(key), out)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            flatten(item, f'{name}.{i}' if name else str(i), out)
    return out


class Global:
    """Stands for a class that today has another module or none."""
    def __init__(self, module, name):
        self.line = f'c{module}\n{name}\n'.encode()


class OldPickler(pickle._Pickler):
    """Tensors by number; parameters as objects whose state is (data, gradient, hooks, ...)."""
    def persistent_id(self, value):
        if isinstance(value, torch.nn.Parameter) or not isinstance(value, torch.Tensor):
            return None
        return str(self.numbers.setdefault(id(value), (2**33 + len(self.numbers), value))[0])

    def save(self, value, *args, **kw):
        if isinstance(value, Global):
            self.write(value.line)
        elif isinstance(value, torch.nn.Parameter) and id(value) not in self.memo:
            self.write(Global('torch.nn.parameter', 'Parameter').line)
            self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
            self.memoize(value)
            self.save((self.data[id(value)], None, collections.OrderedDict(), True, False))
            self.write(pickle.BUILD)
        else:
            super().save(value, *args, **kw)


def old_pickle(value, data=None):
    out = io.BytesIO()
    pickler = OldPickler(out, 2)
    pickler.numbers, pickler.data = {}, data or {}
    pickler.dump(value)
    return out.getvalue(), list(pickler.numbers.values())


def save_tar(root, path):
    data = {id(p): p.data for p in root.values() if isinstance(p, torch.nn.Parameter)}
    keep = list(data.values())
    entry = {'sys_info': old_pickle({'protocol_version': 1000, 'little_endian': True,
                                     'type_sizes': {'short': 2, 'int': 4, 'long': 8}})[0]}
    entry['pickle'], tensors = old_pickle(root, data)
    storages, rows = {}, old_pickle(len(tensors))[0]
    views, view_of = [], {}
    for number, t in tensors:
        storage = t.untyped_storage()
        key, storage_type = storages.setdefault(
            storage.data_ptr(), (2**34 + len(storages), t))[0], t.type().split('.')[1]
        offset = t.storage_offset()
        if offset and key not in view_of:  # this one through a view of its storage
            view_of[key] = 2**35
            views.append((2**35, key, offset, t.numel()))
            key, offset = 2**35, 0
        rows += old_pickle((number, key, Global('torch', storage_type)))[0]
        rows += struct.pack('<ii', t.dim(), 0x5a5a5a5a)
        rows += struct.pack(f'<{t.dim()}q', *t.size()) + struct.pack(f'<{t.dim()}q', *t.stride())
        rows += struct.pack('<q', offset)
    entry['tensors'] = rows
    rows = old_pickle(len(storages))[0]
    for key, t in storages.values():
        kind = t.type().split('.')[1].replace('Tensor', 'Storage')
        storage = bytes(t.untyped_storage())
        rows += old_pickle((key, 'cpu', Global('torch', kind)))[0]
        rows += struct.pack('<q', len(storage) // t.element_size()) + storage
    entry['storages'] = rows + old_pickle(views)[0]
    with tarfile.open(path, 'w:', format=tarfile.PAX_FORMAT) as tar:
        for name, content in entry.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), 1487000000.25, 0o600
            tar.addfile(info, io.BytesIO(content))
    del keep


def old_tree():
    base = numbers(10)
    return collections.OrderedDict([
        ('conv1.weight', torch.nn.Parameter(numbers(2, 3))),
        ('fc.bias', torch.nn.Parameter(numbers(2, start=7))),
        ('bn.running_mean', base[2:6]), ('bn.running_var', base.view(2, 5).t()),
        ('half', numbers(3, dtype=torch.float16)), ('count', torch.tensor([7]))])


def main():
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else HERE)
    root = tree()
    torch.save(root, 'small.pt')
    torch.save(root, 'small_stream.pth', _use_new_zipfile_serialization=False)
    save_file(flatten(root, '', {}), 'small.safetensors')
    root = old_tree()
    save_tar(root, 'small_tar.pth')
    read = torch.load('small_tar.pth', weights_only=False)
    assert list(read) == list(root) and all(torch.equal(read[k], root[k]) for k in root)
    save_file(flatten(root, '', {}), 'tar.safetensors')


if __name__ == '__main__':
    main()
