#!/usr/bin/env python3
"""Made the pictures here, once, with Pillow 13.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0): NAME.png,
NAME.jpg, NAME.webp, and in expected/ what Image.open(NAME).convert("RGB") makes of each.

`make` never runs this; another Pillow may compress differently. What Pillow cannot write is put
together or patched here by hand; it is read by Pillow in every case. (16-bit grey: Pillow clips it at
255.)
"""
import io
import math
import os
import random
import struct
import zlib
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
chance = random.Random(1)


def picture(mode, width, height):
    """Waves with noise: edges, flats and detail."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                v = 128 + 100 * math.sin(x / (3 + c) + y / 7 + c) + chance.gauss(0, 15)
                values.append(max(0, min(255, round(v))))
    return Image.frombytes(mode, (width, height), bytes(values))


def encode(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def keep(name, data):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
    assert len(data) < 10000, name
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.info.clear()  # a transparent colour, a profile
    image.save(os.path.join(HERE, "expected", name + ".png"), optimize=True)


# ---- PNG, put together by hand: Pillow writes no interlaced ones and few depths ----

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(kind, depth, interlaced, clear=None, colours=None, size=(17, 13)):
    width, height = size
    samples = [[[chance.randrange(1 << depth) for _ in range(CHANNELS[kind])] for _ in range(width)]
               for _ in range(height)]
    raw = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        if x0 >= width:
            continue
        for y in range(y0, height, dy):
            bits = "".join(format(s, f"0{depth}b") for x in range(x0, width, dx) for s in samples[y][x])
            bits += "0" * (-len(bits) % 8)
            raw += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    data = b"\x89PNG\r\n\x1a\n"
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))
    data += chunk(b"gAMA", struct.pack(">I", 45455))
    if kind == PALETTE:
        count = (1 << depth) if colours is None else colours
        data += chunk(b"PLTE", bytes(chance.randrange(256) for _ in range(3 * count)))
    if clear is not None:
        data += chunk(b"tRNS", clear)
    data += chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    return data


def pngs():
    kinds = [(GREY, d) for d in (1, 2, 4, 8, 16)] + [(PALETTE, d) for d in (1, 2, 4, 8)]
    kinds += [(k, d) for k in (RGB, GREY_ALPHA, RGBA) for d in (8, 16)]
    names = {GREY: "grey", RGB: "rgb", PALETTE: "palette", GREY_ALPHA: "grey_alpha", RGBA: "rgba"}
    clear = {GREY: b"\0\1", RGB: b"\0\1\0\2\0\3", PALETTE: b"\0\x80"}
    for kind, depth in kinds:
        keep(f"{names[kind]}_{depth}.png", png(kind, depth, 0))
        keep(f"{names[kind]}_{depth}_interlaced.png", png(kind, depth, 1, clear.get(kind)))
    keep("palette_short.png", png(PALETTE, 4, 0, colours=5))
    frames = [picture("RGB", 12, 10), picture("RGB", 12, 10)]
    keep("animated.png", encode(frames[0], "PNG", save_all=True, append_images=frames[1:]))


# ---- JPEG ----

def jpegs():
    def jpeg(mode="RGB", size=(37, 29), **options):
        return encode(picture(mode, *size), "JPEG", **{"quality": 80, **options})

    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        keep(f"{name}.jpg", jpeg(subsampling=sampling))
        keep(f"{name}_progressive.jpg", jpeg(subsampling=sampling, progressive=True))
    # 2x1 becomes 1x2: a square has as many blocks either way, in another order
    data = bytearray(jpeg(size=(32, 32), subsampling=1))
    at = data.index(b"\xff\xc0")
    assert data[at + 11] == 0x21
    data[at + 11] = 0x12
    keep("440.jpg", bytes(data))
    keep("grey.jpg", jpeg("L"))
    keep("grey_progressive.jpg", jpeg("L", progressive=True))
    keep("restart.jpg", jpeg(restart_marker_blocks=2))
    keep("rgb.jpg", jpeg(subsampling=0, keep_rgb=True))
    keep("one.jpg", jpeg(size=(1, 1)))
    keep("quality_5.jpg", jpeg(size=(73, 51), quality=5))
    cmyk = bytearray(jpeg("CMYK", subsampling=0))
    keep("cmyk.jpg", bytes(cmyk))
    at = cmyk.index(b"Adobe")
    cmyk[at + 11] = 2  # now the four channels are YCCK
    keep("ycck.jpg", bytes(cmyk))
    # without the Adobe marker the values are taken for inverted ones all the same
    keep("cmyk_plain.jpg", bytes(cmyk[:at - 4] + cmyk[at + 12:]))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: lying
    keep("lying.jpg", jpeg(exif=exif))
    data = jpeg()
    keep("tail.jpg", data + b"more of something else")
    keep("early_end.jpg", data[:len(data) * 2 // 3] + b"\xff\xd9")
    data = bytearray(data)
    for _ in range(6):
        data[chance.randrange(len(data) * 2 // 3, len(data) - 2)] = chance.randrange(255)
    keep("damaged.jpg", bytes(data))


# ---- WebP ----

def webps():
    def webp(mode="RGB", size=(37, 29), **options):
        return encode(picture(mode, *size), "WEBP", **options)

    keep("lossy.webp", webp(quality=75))
    keep("lossy_5.webp", webp(size=(73, 51), quality=5))
    keep("lossy_alpha.webp", webp("RGBA", quality=75))
    keep("lossless.webp", webp(lossless=True))
    keep("lossless_alpha.webp", webp("RGBA", lossless=True, exact=True))
    keep("one.webp", webp(size=(1, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6
    keep("lying.webp", webp(exif=exif))
    frames = [picture("RGBA", 24, 20), picture("RGBA", 24, 20)]
    animated = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=60)
    keep("animated.webp", animated)
    keep("frame_inside.webp", frame_inside(webp(size=(16, 12), lossless=True)))


def frame_inside(still):
    """An animation whose only frame lies at (4, 6) of a canvas of 30 x 25."""
    def part(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def u24(value):
        return struct.pack("<I", value)[:3]

    size = struct.unpack("<I", still[16:20])[0]
    frame = u24(4 // 2) + u24(6 // 2) + u24(16 - 1) + u24(12 - 1) + u24(100) + b"\0"
    body = b"WEBP" + part(b"VP8X", b"\x02\0\0\0" + u24(30 - 1) + u24(25 - 1))
    body += part(b"ANIM", b"\x10\x20\x30\xff\0\0")
    body += part(b"ANMF", frame + still[12:20 + size + size % 2])
    return b"RIFF" + struct.pack("<I", len(body)) + body


os.makedirs(os.path.join(HERE, "expected"), exist_ok=True)
pngs()
jpegs()
webps()
