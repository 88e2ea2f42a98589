# Spack recipe. In a repository of the site's own (spack repo create NAME), below packages/t2i-train/; then, with the source folder
# at hand:  spack dev-build t2i-train@main  or, once `url` or `git` name where the site keeps it:  spack install t2i-train
from spack.package import *


class T2iTrain(MakefilePackage):
    """Trains a character transformer to predict a picture's features from a prompt, under MPI: the same
    bits at any number of ranks and threads."""

    # git = "https://..."  where the site keeps the source

    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("gmake", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("openblas threads=none")
    depends_on("hdf5@1.10: ~mpi")
    depends_on("libpng")
    depends_on("jpeg")
    depends_on("libwebp+libwebpdemux")
    depends_on("zlib-api")
    depends_on("inih")
    depends_on("jansson")
    depends_on("xxhash")
    depends_on("freetype")
    depends_on("harfbuzz")
    depends_on("expat")

    def edit(self, spec, prefix):
        pass

    @property
    def common_targets(self):
        # the wrapper knows MPI's own flags
        return ["CC={0}".format(self.spec["mpi"].mpicc), "PREFIX={0}".format(self.prefix)]

    @property
    def build_targets(self):
        return self.common_targets + ["all"]

    @property
    def install_targets(self):
        return self.common_targets + ["install"]

    def setup_run_environment(self, env):
        env.set("T2I_HOME", join_path(self.prefix.share, "t2i"))
