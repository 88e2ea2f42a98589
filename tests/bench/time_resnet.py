"""Times PyTorch on what ResNet-18 as an encoder does: python3 time_resnet.py [--pictures N] [--threads N].

Prints one line of JSON: pictures per second (the median of a few tries) in the better of plain and channels-last
layouts and of batches of 1 and 16, and all four. The weights are random: they do not matter to the time.
"""
import argparse, json, statistics, time
import torch

a = argparse.ArgumentParser()
a.add_argument("--pictures", type=int, default=16)
a.add_argument("--tries", type=int, default=5)
a.add_argument("--threads", type=int, default=1)
a = a.parse_args()
torch.set_num_threads(a.threads)


class Block(torch.nn.Module):
    """torchvision's BasicBlock."""

    def __init__(self, before, after, stride):
        super().__init__()
        nn = torch.nn
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.down(x))


def resnet18():
    nn = torch.nn
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for after in (64, 128, 256, 512):
        layers += [Block(before, after, 1 if before == after else 2), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def rate(net, batch, layout):
    net = net.to(memory_format=layout)
    x = torch.rand(batch, 3, 224, 224).contiguous(memory_format=layout)
    net(x)
    seconds = []
    for _ in range(a.tries):
        begin = time.perf_counter()
        for _ in range(max(1, a.pictures // batch)):
            net(x)
        seconds.append((time.perf_counter() - begin) / (max(1, a.pictures // batch) * batch))
    return round(1 / statistics.median(seconds), 2)


with torch.inference_mode():
    layouts = {"plain": torch.contiguous_format, "channels_last": torch.channels_last}
    rates = {f"{name}_{batch}": rate(resnet18(), batch, layout) for name, layout in layouts.items() for batch in (1, 16)}
print(json.dumps(dict(what="resnet18", pictures_per_s=max(rates.values()), torch=torch.__version__, threads=a.threads,
                      **rates)))
