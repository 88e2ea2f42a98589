import h5py
with h5py.File("data/shapes.h5") as f:
    at, text = f["prompts/offsets"][:2], f["prompts/bytes"]
    print(bytes(text[at[0]:at[1]]).decode(), "->", f["images/pixels"][f["pairs/image"][0]].shape)
