#!/usr/bin/env python3
"""Does our reader understand what this PyTorch saves, and PyTorch what our writer writes?

Usage: torch_roundtrip.py PROGRAM, the built tests/golden/torch. `PROGRAM copy FROM TO` reads a file
and writes its tree again, tensors of floats as float32, others as None; torch.load of the copy with
weights_only=True must then give what the original gives. What is not weights must be refused by name.
Exit code 77 when there is no PyTorch.
"""
import collections
import io
import math
import os
import subprocess
import sys
import tempfile
import zipfile

try:
    import torch
except ImportError:
    print(f'no PyTorch in {sys.executable} (PYTHON names another)')
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'torch'))
sys.dont_write_bytecode = True
import make  # noqa: E402

failed = 0


def check(fine, what):
    global failed
    if not fine:
        failed += 1
        print(f'FAILED: {what}')


def same(ours, theirs, where):
    """ours was copied from theirs."""
    if isinstance(theirs, torch.Tensor):
        if not theirs.is_floating_point():
            return check(ours is None, f'{where}: not None')
        theirs = theirs.detach().float()
        fine = isinstance(ours, torch.Tensor) and ours.dtype == torch.float32 \
            and ours.shape == theirs.shape and ours.is_contiguous() \
            and torch.equal(torch.nan_to_num(ours, 7.5), torch.nan_to_num(theirs, 7.5))
        return check(fine, f'{where}: another tensor')
    if isinstance(theirs, dict):
        check(type(ours) is type(theirs), f'{where}: {type(ours)}, not {type(theirs)}')
        if isinstance(theirs, collections.OrderedDict):
            check(ours._metadata[''] == {'version': 1}, f'{where}: no _metadata')
        check(list(ours) == list(theirs), f'{where}: other keys')
        check([type(k) for k in ours] == [type(k) for k in theirs], f'{where}: keys of other types')
        for key in theirs:
            same(ours[key], theirs[key], f'{where}[{key!r}]')
    elif isinstance(theirs, (list, tuple)):
        check(type(ours) is type(theirs) and len(ours) == len(theirs), f'{where}: another list')
        for i, item in enumerate(theirs):
            same(ours[i], item, f'{where}[{i}]')
    else:
        fine = type(ours) is type(theirs) and (ours == theirs or (ours != ours and theirs != theirs))
        check(fine, f'{where}: {ours!r}, not {theirs!r}')


def copy(program, source, to):
    run = subprocess.run([program, 'copy', source, to], capture_output=True, text=True)
    return run.returncode, run.stderr.strip()


def round_trip(program, folder, name, value, **how):
    source, to = os.path.join(folder, f'{name}.pt'), os.path.join(folder, f'{name}_copy.pt')
    torch.save(value, source, **how)
    code, said = copy(program, source, to)
    check(code == 0, f'{name}: {said}')
    if code != 0:
        return
    same(torch.load(to, weights_only=True), value, name)
    same(torch.load(to, weights_only=True, mmap=True), value, f'{name} by mmap')
    with zipfile.ZipFile(to) as archive:  # a reader that is neither ours nor PyTorch's
        check(archive.testzip() is None, f'{name}: an entry is damaged')
        check(all(i.filename.startswith(f'{name}_copy/') for i in archive.infolist()), 'root folder')
    code, said = copy(program, to, to + '2')
    check(code == 0, f'{name}: our own copy: {said}')


def values():
    yield 'tree', make.tree()
    yield 'nothing', None
    yield 'tensor', torch.randn(3, 4)
    yield 'plain', {'a': [1, -1, 2**31, -2**31 - 1, 2**62, 1.5, math.inf, -math.inf, math.nan, 'ü', '',
                          True, None, (), (1,), [[]], {}], 1: {2: {3: 'x'}}}
    yield 'keys', {i: chr(i) for i in range(32, 2000)}
    yield 'long', {'list': list(range(5000)), 'text': 'x' * 100000}
    special = torch.tensor([math.inf, -math.inf, math.nan, -0.0, 1e-45, 3e38])
    yield 'special', {'f32': special, 'f64': special.double() * 3, 'f16': special.half(),
                      'bf16': special.bfloat16()}
    base = torch.randn(4, 5, 6)
    yield 'views', [base, base.permute(2, 0, 1), base[1:3, ::2, 3], base[3, 4, 5], base.expand(2, 4, 5, 6),
                    base.flatten()[7:7], torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)]
    yield 'shapes', [torch.zeros(s) for s in ((), (0,), (1,), (0, 3), (3, 0), (1,) * 8)]
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(3, 4))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 1, 5, 5)).sum().backward()
    optimizer.step()
    yield 'checkpoint', {'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 3}
    yield 'parameters', list(model.parameters())
    try:
        import torchvision
        yield 'resnet18', torchvision.models.resnet18().state_dict()
    except ImportError:
        print('no torchvision: its ResNet-18 was not tried')


def refused(program, folder):
    class Model(torch.nn.Module):
        pass
    torch.save(torch.nn.Linear(2, 2), os.path.join(folder, 'module.pt'))
    torch.save({'device': torch.device('cpu')}, os.path.join(folder, 'device.pt'))
    torch.save({1, 2}, os.path.join(folder, 'set.pt'))
    torch.save(torch.randn(3, dtype=torch.complex64), os.path.join(folder, 'complex.pt'))
    torch.save(torch.randn(3).to(torch.float8_e4m3fn), os.path.join(folder, 'float8.pt'))
    torch.save(torch.randn(2, 2).to_sparse(), os.path.join(folder, 'sparse.pt'))
    torch.save(torch.randn(2, dtype=torch.complex64).conj(), os.path.join(folder, 'conj.pt'))
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), os.path.join(folder, 'script.pt'))
    with zipfile.ZipFile(os.path.join(folder, 'deflated.pt'), 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/data.pkl', b'\x80\x02N.')
    for name, text in (('module', 'torch.nn.modules.linear.Linear, which is not allowed'),
                       ('device', 'torch.device, which is not allowed'), ('set', 'set, which is not allowed'),
                       ('complex', 'torch.ComplexFloatStorage, which is not allowed'),
                       ('float8', '_rebuild_tensor_v3, which is not allowed'),
                       ('sparse', '_rebuild_sparse_tensor, which is not allowed'),
                       ('conj', 'torch.ComplexFloatStorage'), ('script', 'TorchScript'),
                       ('deflated', 'it is compressed')):
        code, said = copy(program, os.path.join(folder, f'{name}.pt'), os.path.join(folder, 'out.pt'))
        check(code == 65 and text in said, f'{name}: exit code {code}, {said}')


def main():
    program = sys.argv[1]
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, value in values():
            round_trip(program, folder, name, value)
            round_trip(program, folder, f'{name}_stream', value, _use_new_zipfile_serialization=False)
        round_trip(program, folder, 'protocol3', make.tree(), pickle_protocol=3)
        round_trip(program, folder, 'protocol4', make.tree(), pickle_protocol=4)
        buffer = io.BytesIO()
        torch.save(make.tree(), buffer)
        with open(os.path.join(folder, 'buffer.pt'), 'wb') as file:
            file.write(buffer.getvalue())
        code, said = copy(program, os.path.join(folder, 'buffer.pt'), os.path.join(folder, 'b.pt'))
        check(code == 0, f'a buffer: {said}')
        make.save_tar(make.old_tree(), os.path.join(folder, 'tar.pth'))
        code, said = copy(program, os.path.join(folder, 'tar.pth'), os.path.join(folder, 'tar.pt'))
        check(code == 0, f'tar: {said}')
        read = torch.load(os.path.join(folder, 'tar.pt'), weights_only=True)
        same(read, make.old_tree(), 'tar')
        refused(program, folder)
    print(f'{failed} checks failed' if failed else 'PyTorch and we read each other')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
