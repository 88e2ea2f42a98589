#!/usr/bin/env python3
"""Made the pictures here, once, with Pillow 13.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0): NAME.png,
NAME.jpg, ..., in expected/ what Image.open(NAME).convert("RGB") makes of each, and in upright/ and
on_ground/ what becomes of those with an EXIF orientation or transparent parts.

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
from PIL import Image, ImageOps

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


# ---- GIF ----

def gif_block(data):
    """LZW of 8 bits without compression: a clear code before each 100 colours."""
    bits, count, out = 0, 0, bytearray()
    codes = []
    for i, v in enumerate(data):
        codes += ([256] if i % 100 == 0 else []) + [v]
    for code in codes + [257]:
        bits |= code << count
        count += 9
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8
    out.append(bits & 255)
    blocks = b"".join(bytes([len(out[i:i + 255])]) + bytes(out[i:i + 255]) for i in range(0, len(out), 255))
    return b"\x08" + blocks + b"\0"


def gif(canvas, frame, clear=None, colours=256, local=False, interlaced=False, more=b""):
    """frame: left, top, width, height. Written by hand: Pillow makes the first frame as large as the canvas."""
    left, top, width, height = frame
    palette = b"" if colours == 0 else bytes(chance.randrange(256) for _ in range(3 * colours))
    flag = 0 if colours == 0 else 0x80 | colours.bit_length() - 2
    data = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0 if local else flag, 3, 0)
    data += b"" if local else palette
    data += b"!\xfe\x03abc\0"
    if clear is not None:
        data += b"!\xf9\x04" + struct.pack("<BHBB", 1, 10, clear, 0)
    data += b"," + struct.pack("<HHHHB", *frame, (flag if local else 0) | (0x40 if interlaced else 0))
    data += palette if local else b""
    rows = [bytes(chance.randrange(colours or 256) for _ in range(width)) for _ in range(height)]
    if interlaced:
        rows = rows[0::8] + rows[4::8] + rows[2::4] + rows[1::2]
    return data + gif_block(b"".join(rows)) + more + b";"


def gifs():
    keep("plain.gif", encode(picture("RGB", 17, 13).quantize(32), "GIF"))
    keep("interlaced.gif", gif((17, 13), (0, 0, 17, 13), interlaced=True))
    keep("local.gif", gif((17, 13), (0, 0, 17, 13), colours=16, local=True))
    keep("grey.gif", gif((17, 13), (0, 0, 17, 13), colours=0))
    keep("clear.gif", gif((17, 13), (0, 0, 17, 13), colours=4, clear=2))
    keep("frame_inside.gif", gif((17, 13), (3, 2, 9, 7), colours=4))
    keep("frame_inside_clear.gif", gif((17, 13), (3, 2, 9, 7), colours=4, clear=1))
    keep("frame_outside.gif", gif((10, 8), (3, 2, 9, 9), colours=4, clear=3))
    frames = [picture("RGB", 12, 10).quantize(16) for _ in range(2)]
    keep("animated.gif", encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))


# ---- BMP ----

def bmp(bits, size=(13, 11), head=40, down=False, colours=None, masks=None, offset=None):
    width, height = size
    stride = (width * bits + 31) // 32 * 4
    count = 0 if bits > 8 else colours or 1 << bits
    palette = b"".join(bytes(chance.randrange(256) for _ in range(3)) + (b"" if head == 12 else b"\0")
                       for _ in range(count))
    rows = [bytes(chance.randrange(256) for _ in range(stride)) for _ in range(height)]
    if colours:
        rows = [bytes(v % colours for v in row) for row in rows]
    if head == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", head, width, -height if down else height, 1, bits,
                           3 if masks else 0, stride * height, 0, 0, colours or 0, 0)
        if masks:
            info += struct.pack("<III", *masks[:3])
        if head > 40:
            info += struct.pack("<I", masks[3] if masks else 0) if masks else b"\0" * 16
            info += b"\0" * (head - len(info))
    at = 14 + len(info) + len(palette)
    return (b"BM" + struct.pack("<IHHI", at + stride * height, 0, 0, at if offset is None else offset) + info +
            palette + b"".join(rows))


def bmps():
    for bits in (1, 4, 8, 16, 24, 32):
        keep(f"bits_{bits}.bmp", bmp(bits))
    keep("down.bmp", bmp(24, down=True))
    keep("os2_4.bmp", bmp(4, head=12))
    keep("os2_24.bmp", bmp(24, head=12))
    keep("short_palette.bmp", bmp(8, colours=20))
    keep("no_offset.bmp", bmp(8, offset=54))
    keep("565.bmp", bmp(16, masks=(0xf800, 0x7e0, 0x1f)))
    keep("555.bmp", bmp(16, masks=(0x7c00, 0x3e0, 0x1f)))
    keep("bgrx.bmp", bmp(32, masks=(0xff0000, 0xff00, 0xff)))
    keep("rgba_v4.bmp", bmp(32, head=108, masks=(0xff, 0xff00, 0xff0000, 0xff000000)))
    keep("v5.bmp", bmp(24, head=124))


# ---- TIFF ----

def tiff(tags, data, big=False, tiles=None):
    """One page. tags: number to a value or a list of SHORTs. data: strips or tiles, each as it is stored."""
    order = ">" if big else "<"
    offset = (325 if tiles else 279), (324 if tiles else 273)
    at, body, places = 8, b"", []
    for part in data:
        places.append(at + len(body))
        body += part + b"\0" * (len(part) % 2)
    fields = {**tags, offset[0]: [len(p) for p in data], offset[1]: places}
    if tiles:
        fields.update({322: tiles, 323: tiles})
    directory = at + len(body)
    after = directory + 2 + 12 * len(fields) + 4
    entries, extra = b"", b""
    for tag in sorted(fields):
        values = fields[tag] if isinstance(fields[tag], (list, tuple)) else [fields[tag]]
        wide = tag in offset
        packed = b"".join(struct.pack(order + ("I" if wide else "H"), v) for v in values)
        entries += struct.pack(order + "HHI", tag, 4 if wide else 3, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", after + len(extra))
            extra += packed + b"\0" * (len(packed) % 2)
    return ((b"MM" if big else b"II") + struct.pack(order + "HI", 42, directory) + body +
            struct.pack(order + "H", len(fields)) + entries + b"\0\0\0\0" + extra)


def noise_tiff(bits, samples, photometric, size=(17, 13), big=False, tiles=None, deflate=False, **more):
    width, height = size
    tags = {256: width, 257: height, 258: [bits] * samples, 259: 8 if deflate else 1, 262: photometric,
            277: samples, 278: 5}
    tags.update({int(k[1:]): v for k, v in more.items()})
    if photometric == 3:
        tags[320] = [chance.randrange(65536) for _ in range(3 << bits)]

    def part(columns, rows):
        raw = bytes(chance.randrange(256) for _ in range((columns * samples * bits + 7) // 8 * rows))
        return zlib.compress(raw) if deflate else raw

    if tiles:
        del tags[278]
        parts = [part(tiles, tiles) for _ in range(-(-width // tiles) * -(-height // tiles))]
    else:
        parts = [part(width, min(5, height - y)) for y in range(0, height, 5)]
    return tiff(tags, parts, big, tiles)


def tiffs():
    for bits in (1, 2, 4, 8, 16):
        keep(f"grey_{bits}.tif", noise_tiff(bits, 1, 1))
    keep("dark_16.tif", encode(Image.frombytes("I;16", (9, 9), bytes(
        b for i in range(81) for b in (i * 3 % 256, i % 5 == 0))), "TIFF"))
    keep("grey_16_big.tif", noise_tiff(16, 1, 1, big=True))
    keep("white_is_zero_1.tif", noise_tiff(1, 1, 0))
    keep("white_is_zero_8.tif", noise_tiff(8, 1, 0))
    keep("fill_order.tif", noise_tiff(1, 1, 1, t266=2))
    for bits in (1, 4, 8):
        keep(f"palette_{bits}.tif", noise_tiff(bits, 1, 3))
    keep("rgb.tif", noise_tiff(8, 3, 2))
    keep("rgb_big.tif", noise_tiff(8, 3, 2, big=True))
    keep("rgb_16.tif", noise_tiff(16, 3, 2))
    keep("rgb_16_big.tif", noise_tiff(16, 3, 2, big=True))
    keep("rgba.tif", noise_tiff(8, 4, 2, t338=2))
    keep("rgba_missing.tif", noise_tiff(8, 4, 2))
    keep("rgbx.tif", noise_tiff(8, 4, 2, t338=0))
    keep("rgba_premultiplied.tif", noise_tiff(8, 4, 2, t338=1))
    keep("rgba_16.tif", noise_tiff(16, 4, 2, t338=2))
    keep("rgba_16_premultiplied.tif", noise_tiff(16, 4, 2, t338=1))
    keep("grey_alpha.tif", noise_tiff(8, 2, 1, t338=2))
    keep("tiled.tif", noise_tiff(8, 3, 2, size=(37, 21), tiles=16))
    keep("tiled_deflate.tif", noise_tiff(8, 1, 1, size=(37, 21), tiles=16, deflate=True))
    for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        keep(f"{kind}.tif", encode(picture("RGB", 29, 21), "TIFF", compression=kind))
    keep("pages.tif", encode(picture("RGB", 9, 8), "TIFF", save_all=True, append_images=[picture("L", 5, 5)]))
    for turn in (3, 6):
        keep(f"turned_{turn}.tif", noise_tiff(8, 3, 2, t274=turn))


# ---- EXIF orientation and transparency: what else is expected ----

def oriented():
    def exif(turn):
        e = Image.Exif()
        e[0x0112] = turn
        return e

    for turn in range(2, 9):
        keep(f"turned_{turn}.jpg", encode(picture("RGB", 24, 16), "JPEG", exif=exif(turn)))
    keep("turned_6_cmyk.jpg", encode(picture("CMYK", 24, 16), "JPEG", exif=exif(6)))
    keep("turned_8.png", encode(picture("RGB", 7, 5), "PNG", exif=exif(8)))
    keep("turned_5.webp", encode(picture("RGB", 7, 5), "WEBP", lossless=True, exif=exif(5)))


def expect_more():
    """upright/: as exif_transpose turns it; on_ground/: on the colour (10, 200, 90)."""
    for name in sorted(os.listdir(HERE)):
        if name.endswith((".py", ".tif")) or os.path.isdir(os.path.join(HERE, name)):
            continue
        image = Image.open(os.path.join(HERE, name))
        turned = ImageOps.exif_transpose(image).convert("RGB")
        if image.getexif().get(0x0112, 1) != 1:
            turned.info.clear()
            turned.save(os.path.join(HERE, "upright", name + ".png"), optimize=True)
    for name in sorted(os.listdir(HERE)):
        if name.endswith((".py", ".bmp")) or os.path.isdir(os.path.join(HERE, name)):
            continue
        image = Image.open(os.path.join(HERE, name))
        if image.mode.startswith("I"):
            continue
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            ground = Image.new("RGB", image.size, (10, 200, 90))
            ground.paste(image, mask=image.getchannel("A"))
            ground.save(os.path.join(HERE, "on_ground", name + ".png"), optimize=True)


for folder in ("expected", "upright", "on_ground"):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
pngs()
jpegs()
webps()
gifs()
bmps()
tiffs()
oriented()
expect_more()
