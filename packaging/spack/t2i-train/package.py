# Spack recipe. Copy it to packages/t2i-train/ of a Spack repository (spack repo create NAME). In the source folder run
# spack dev-build t2i-train@main; once `git` below is set, spack install t2i-train works too.
from spack.package import *


class T2iTrain(MakefilePackage):
    """Trains a character transformer that predicts features of pictures from prompts, under MPI, with the
    same bits at any number of ranks and threads."""

    # git = "https://..."  repository of the source

    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("gmake", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("openblas threads=none")
    depends_on("hdf5@1.10: ~mpi")
    depends_on("libpng")
    depends_on("jpeg")
    depends_on("libtiff")
    depends_on("giflib")
    depends_on("libwebp+libwebpdemux")
    depends_on("zlib-api")
    depends_on("libinih")
    depends_on("jansson")
    depends_on("xxhash")
    depends_on("freetype")
    depends_on("harfbuzz")
    depends_on("expat")
    depends_on("libarchive")
    depends_on("libseccomp")

    def edit(self, spec, prefix):
        pass

    @property
    def common_targets(self):
        # the compiler wrapper has the flags of MPI
        return ["CC={0}".format(self.spec["mpi"].mpicc), "PREFIX={0}".format(self.prefix)]

    @property
    def build_targets(self):
        return self.common_targets + ["all"]

    @property
    def install_targets(self):
        return self.common_targets + ["install"]

    def setup_run_environment(self, env):
        env.set("T2I_HOME", join_path(self.prefix.share, "t2i"))
