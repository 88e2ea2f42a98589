import h5py, numpy
with h5py.File("data/shapes.h5") as f:
    x = f["images/features"][:]
distance = numpy.linalg.norm(x - x[0], axis=1)
print("nearest to picture 0:", distance.argsort()[1:4], numpy.sort(distance)[1:4])
