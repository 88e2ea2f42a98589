"""A dataset from scratch: draws 48 pictures of stripes and writes a list of captions. Needs Python alone.

    python3 own_dataset.py stripes                               # stripes/NAME.png and stripes/pairs.csv
    t2i-data build --pairs stripes/pairs.csv --out stripes.h5
    t2i-train --data stripes.h5 --out runs/stripes --batch 32 --lr 1e-3 --clip 1 --steps 1000
    t2i-generate runs/stripes "thin red stripes on white, upright"

What the list needs is in docs/datasets.md: a header, a prompt and a file for each row. A column `split` decides what is held
out; here every fifth picture is, so that runs/stripes/report.html shows how well new combinations of known words are drawn.
"""
import csv
import os
import struct
import sys
import zlib

SIDE = 64
COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 210), "orange": (245, 150, 30)}
GROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0)}
WIDTHS = {"thin": 4, "medium": 8, "broad": 16}
WAYS = ("upright", "level")


def write_png(path, rows):
    """rows: SIDE lists of SIDE (red, green, blue)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)) +
                  chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def main(folder):
    os.makedirs(folder)
    with open(os.path.join(folder, "pairs.csv"), "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["prompt", "image_path", "split"])
        choices = [(w, c, g, way) for w in WIDTHS for c in COLOURS for g in GROUNDS for way in WAYS]
        for number, (width, colour, ground, way) in enumerate(choices):
            def pixel(across):
                return COLOURS[colour] if across // WIDTHS[width] % 2 == 0 else GROUNDS[ground]
            rows = [[pixel(x if way == "upright" else y) for x in range(SIDE)] for y in range(SIDE)]
            name, split = f"{width}-{colour}-{ground}-{way}.png", "validation" if number % 5 == 4 else "train"
            write_png(os.path.join(folder, name), rows)
            table.writerow([f"{width} {colour} stripes on {ground}, {way}", name, split])
            table.writerow([f"{way} stripes, {width}, {colour} and {ground}", name, split])


if __name__ == "__main__":
    main(*sys.argv[1:])
