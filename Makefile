# t2i-train. `make help` lists the targets. MODE = release | debug | asan; each has its own folder build/MODE, and so has
# each MPI = openmpi | mpich (another one: CC=mpicc, whose own flags are then used).
MODE ?= release
# Written by ./bootstrap --prefix.
-include config.mk
# All cores. Several goals, as in "make demo score", are made one after the other.
ifeq ($(MAKELEVEL)$(word 2,$(MAKECMDGOALS))$(filter -j% --jobserver%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell sh jobs/cores.sh)
endif
WRAPS := $(findstring mpicc,$(notdir $(CC)))
MPI  ?= $(if $(findstring mpich,$(CC)),mpich,openmpi)
B    := build/$(MODE)$(if $(filter mpich,$(MPI)),-mpich)

OPT.release := -O3 -g
OPT.debug   := -O0 -g3 -DT2I_DEBUG
OPT.fuzz  := -O1 -g -DT2I_LIBFUZZER -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
OPT.asan    := -O1 -g3 -DT2I_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes
ifeq ($(MPI),mpich)
WARN += -Wno-stringop-overflow # its MPI_STATUSES_IGNORE is the address 1, where gcc expects an array
endif
ifeq ($(CI),true)
WARN += -Werror
endif

# Launcher of the targets below. It allows more ranks than cores, and root; single copy is off because containers
# often forbid processes to read each other's memory.
ROOT   := $(filter 0,$(shell id -u))
MPIRUN.openmpi = mpirun --oversubscribe $(if $(ROOT),--allow-run-as-root) --mca btl_vader_single_copy_mechanism none
MPIRUN.mpich   = mpirun.mpich
MPIRUN ?= $(MPIRUN.$(MPI))

# hwloc asks X servers for graphics cards, which takes seconds per start where localhost is not in /etc/hosts.
export HWLOC_COMPONENTS ?= -gl

# Package names differ between distributions: the first one that pkg-config knows, or the first for its error message.
known    = $(firstword $(foreach p,$(1),$(shell pkg-config --exists $(p) && echo $(p))))
pick     = $(or $(call known,$(1)),$(firstword $(1)))
MPI_PKG.openmpi = $(call pick,ompi-c ompi mpich)
MPI_PKG.mpich   = mpich
# Fedora and RHEL have no .pc file of OpenBLAS; HDF5 has none where autoconf built it.
BLAS    := $(call known,openblas openblas-pthread)
HDF5    := $(call known,hdf5-serial hdf5)
PKGS    := $(if $(WRAPS),,$(MPI_PKG.$(MPI))) $(BLAS) $(HDF5) \
           libpng libjpeg libtiff-4 libwebp libwebpdemux zlib inih jansson libxxhash freetype2 harfbuzz expat libarchive
# giflib has no .pc file in many distributions.
LIBS     = $(shell pkg-config --libs $(PKGS)) $(if $(BLAS),,-lopenblas) $(if $(HDF5),,-lhdf5) -lgif -lm
# Optional; for t2i-reader. Sanitizers make system calls that its filter does not allow.
SECCOMP := $(if $(filter asan fuzz,$(MODE)),,$(shell pkg-config --libs libseccomp 2>/dev/null))
INCLUDES := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g') $(if $(BLAS),,-isystem /usr/include/openblas)
# errno of sqrtf is not used; without it loops with sqrtf are vectorised.
STD      = -std=c11 -pthread -ffp-contract=off -fno-math-errno -D_POSIX_C_SOURCE=200809L -Isrc -Itests -Iinclude $(INCLUDES) $(WARN)
ALL      = $(STD) $(OPT.$(MODE)) -MMD -MP $(CFLAGS)

# wildcard goes by the alphabet of the locale; what is linked has one order.
files    = $(sort $(wildcard $(1)))
LIB_SRC := $(filter-out src/tools/t2i-%,$(call files,src/*/*.c))
# t2i-reader is started by the others: no page, no options.
READER  := $B/t2i-reader
TOOLS   := $(filter-out t2i-reader,$(basename $(notdir $(wildcard src/tools/t2i-*.c))))
SOURCES := $(LIB_SRC) $(wildcard src/tools/t2i-*.c tests/*/*.c tests/unit/*/*.c)
programs = $(patsubst %.c,$B/%,$(wildcard tests/$(1)/*.c $(if $(filter unit,$(1)),tests/unit/*/*.c)))
scripts  = $(wildcard tests/$(1)/*.sh)
TESTS   := $(call programs,unit) $(call programs,golden) $(call programs,fuzz) $(call programs,mpi)

HELPERS := $(call programs,helper)
# Linked with libt2i.so alone, as a stranger's program.
PUBLIC  := $B/tests/helper/library_threads
# Libraries for fault injection (LD_PRELOAD).
SHIMS   := $(patsubst %.c,$B/%.so,$(wildcard tests/fault/shim*.c))
FAULTS  := $(filter-out $(SHIMS:.so=),$(call programs,fault))
BENCH   := $(call programs,bench)
# A program finds its reader beside it.
READER_LINKS := $(addsuffix t2i-reader,$(sort $(dir $(TESTS) $(HELPERS) $(FAULTS) $(BENCH))))
# V=1 shows whole commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$@")

# The library: t2i.h over these modules, with no other name to be seen (objcopy makes them local in libt2i.a, too).
LIBRARY_SRC := $(call files,$(foreach f,base kernels model formats protobuf checkpoint dataset library,src/$f/*.c)) $(patsubst %,src/retrieval/%.c,gallery drawing)
LIBRARY     := $B/libt2i.a $B/libt2i.so.1 $B/libt2i.so
OBJCOPY ?= objcopy

VERSION := $(shell sed -n 's/^\#define T2I_VERSION "\([^"]*\)".*/\1/p' src/base/opts.h)

all: $(TOOLS:%=$B/%) $(READER) $(LIBRARY) man

# Version of the source, for --version. Only the main files of the programs depend on it.
GIT := $(if $(wildcard .git),$(shell git describe --always --dirty 2>/dev/null))
$(TOOLS:%=$B/src/tools/%.o): ALL += $(if $(GIT),-DT2I_GIT='"$(GIT)"')
$(TOOLS:%=$B/src/tools/%.o): $B/git
$B/git: always
	@mkdir -p $B && { echo "$(GIT)" | cmp -s - $@ || echo "$(GIT)" >$@; }

# Manual pages and completion are made from the programs' option tables.
man: $(TOOLS:%=$B/man/man1/%.1) $B/completion/t2i
$B/man/man1/%.1: $B/%
	@mkdir -p $(@D) && $< --help-man >$@.tmp && mv $@.tmp $@
$B/completion/t2i: src/tools/completion.bash $(TOOLS:%=$B/%)
	@mkdir -p $(@D) && { cat $<; for t in $(TOOLS); do $B/$$t --help-completion || exit 1; done; } >$@.tmp && mv $@.tmp $@

$(TOOLS:%=$B/%) $(READER): $B/%: $B/src/tools/%.o $B/libt2i-internal.a
	$(call say,LINK)
	$Q$(CC) $(ALL) $(LDFLAGS) -o $@ $^ $(LIBS)
$(READER): private ALL += -Wl,--as-needed # HDF5, and neither MPI nor BLAS
$(READER) $B/tests/helper/fake_reader: private LIBS += $(SECCOMP)
$B/src/dataset/reader_confinement.o: private ALL += $(if $(SECCOMP),-DT2I_SECCOMP)
# All modules, for the programs and the tests.
$B/libt2i-internal.a: $(LIB_SRC:%.c=$B/%.o)
	$(call say,AR)
	$Qrm -f $@ && $(AR) rcs $@ $^
$B/%.o: %.c
	$(call say,CC)
	@mkdir -p $(@D)
	$Q$(CC) $(ALL) -c -o $@ $<
$B/pic/%.o: %.c
	$(call say,CC)
	@mkdir -p $(@D)
	$Q$(CC) $(ALL) -fPIC -fvisibility=hidden -c -o $@ $<
$B/pic/modules.a: $(LIBRARY_SRC:%.c=$B/pic/%.o)
	$Qrm -f $@ && $(AR) rcs $@ $^
$B/pic/libt2i.o: $(patsubst %.c,$B/pic/%.o,$(call files,src/library/*.c)) $B/pic/modules.a
	$Q$(LD) -r -o $@ $^ && $(OBJCOPY) --localize-hidden $@
$B/libt2i.a: $B/pic/libt2i.o
	$(call say,AR)
	$Qrm -f $@ && $(AR) rcs $@ $^
$B/libt2i.so.1: $B/pic/libt2i.o
	$(call say,LINK)
	$Q$(CC) $(ALL) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--as-needed -o $@ $^ $(LIBS)
$B/libt2i.so: $B/libt2i.so.1
	$Qln -sf $(<F) $@
# clang -O1 with these sanitizers takes 15 minutes for the kernels, which read no foreign files.
build/fuzz/src/kernels/%.o: OPT.fuzz += -O0
$(TESTS) $(filter-out $(PUBLIC),$(HELPERS)) $(FAULTS) $(BENCH): $B/%: $B/%.o $B/libt2i-internal.a | $(READER_LINKS)
	$(call say,LINK)
	$Q$(CC) $(ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcunit

# gcc 12 for aarch64 crashes where it vectorises a maximum in tests.
ifneq ($(findstring aarch64,$(shell $(CC) -dumpmachine)),)
$(TESTS:%=%.o): private ALL += -fno-tree-vectorize
endif

$(PUBLIC): $B/%: $B/%.o $B/libt2i.so
	$(call say,LINK)
	$Q$(CC) $(ALL) $(LDFLAGS) -o $@ $< -L$B -lt2i -Wl,-rpath,'$$ORIGIN/../..' -lm
$B/tests/unit/dataset/reader: | $B/tests/helper/fake_reader
$(READER_LINKS): | $(READER)
	@mkdir -p $(@D) && ln -srf $(READER) $@

$(SHIMS): $B/%.so: %.c tests/fault/shim.h
	$(call say,CC)
	@mkdir -p $(@D)
	$Q$(CC) $(STD) -O2 -g -fPIC -shared -o $@ $< -Wl,--as-needed $(LIBS) -ldl

# Programs for aarch64, with Debian's cross compiler and the libraries in SYSROOT (tests/helper/arm64_sysroot).
SYSROOT ?= $(CURDIR)/build/arm64-sysroot
ARM64   := $(addprefix build/arm64/,t2i-train t2i-data t2i-reader tests/unit/kernels/vectors)
arm64: cross := aarch64-linux-gnu-
arm64: from  := $(SYSROOT)/usr/lib/aarch64-linux-gnu
arm64:
	@PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) PKG_CONFIG_LIBDIR=$(from)/pkgconfig:$(from)/openblas-pthread/pkgconfig:$(SYSROOT)/usr/share/pkgconfig \
	    $(MAKE) MPI=openmpi B=build/arm64 CC="$(cross)gcc --sysroot=$(SYSROOT)" AR=$(cross)ar LD=$(cross)ld OBJCOPY=$(cross)objcopy $(ARM64)

help:
	@echo "make            build the programs, in $B"
	@echo "make taste      ask the small model of shapes that comes with the source"
	@echo "make demo       captioned shapes: build the dataset, train, generate five pictures (3 minutes)"
	@echo "make score      after the demo: evaluate it on unseen combinations"
	@echo "make showcase   make again what README shows of the demo, and the model of make taste"
	@echo "make tutorial   run the tutorial, from MODEL=multimodal_model.pt WEIGHTS=resnet18.pth to text_to_image_model.pt"
	@echo "make check      run all tests (JOBS=1: one at a time); make asan-check: with address and undefined-behaviour sanitizers"
	@echo "make soak       inject faults for hours, and print statistics (FAULT=kill for one kind)"
	@echo "make mutations  take one protection out at a time and see its test fail (MUTATION=zip-crc for one)"
	@echo "make fuzz       run libFuzzer on every reader of foreign files (FUZZ=torchfile SECONDS_EACH=600)"
	@echo "make bench      benchmarks, with PyTorch if PYTHON has it (WHAT='large emoji' ROUNDS=3; 25 minutes in all)"
	@echo "make sweep      84 sizes of model, batch, prompts and shards beside PyTorch (PYTHON; 35 minutes)"
	@echo "make goodput    kill ranks of a run every minute and every five, and see what is kept (MINUTES=20 a cell)"
	@echo "make arm64      cross-build programs for aarch64, in build/arm64 (SYSROOT: see tests/helper/arm64_sysroot)"
	@echo "make install    install programs, library, job files, Slurm scripts below PREFIX=/usr/local (staged below DESTDIR); make uninstall"
	@echo "make dist       source archive build/t2i-train-$(VERSION).tar.gz, reproducible"
	@echo "make deb        Debian packages, in build/deb (needs debhelper)"
	@echo "make scaling    simulate the messages of 4 to 512 ranks (needs libsimgrid-dev)"
	@echo "make scaling-model  predict the time of a step on 1 to 1,024 ranks from measurements"
	@echo "make format     format all sources with clang-format; make clean"
	@echo "variables       MODE=release|debug|asan MPI=openmpi|mpich CC CFLAGS LDFLAGS MPIRUN='$(MPIRUN)'"

# ---- installing ----

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INSTALLER = B=$B PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) DESTDIR=$(DESTDIR) VERSION=$(VERSION) sh packaging/install.sh
install: all
	@$(INSTALLER) install
uninstall:
	@$(INSTALLER) uninstall

# Debian packages, in build/deb.
deb:
	@VERSION=$(VERSION) sh packaging/deb.sh build/deb

dist:
	@VERSION=$(VERSION) sh packaging/dist.sh build/t2i-train-$(VERSION).tar.gz

# ---- the demo ----

demo: all
	@B=$B MPIRUN="$(MPIRUN)" sh jobs/demo.sh
score: all
	@B=$B sh jobs/score.sh
taste: all
	@B=$B sh jobs/taste.sh
# What README shows of the demo, and the model of make taste; tests/e2e/showcase.sh compares.
showcase: all
	@B=$B MPIRUN="$(MPIRUN)" sh jobs/showcase.sh
tutorial: all
	@B=$B MPIRUN="$(MPIRUN)" sh jobs/tutorial.sh

# ---- tests ----

RUN = B=$B MPIRUN="$(MPIRUN)" tests/run.sh
check: cunit test-programs $(TESTS)
	@$(RUN) $(filter-out tests/run.sh,$(wildcard tests/*.sh)) $(TESTS) $(call scripts,mpi) $(call scripts,e2e) $(call scripts,fault) $(call scripts,slurm)
check-unit check-golden check-fuzz check-mpi: check-%: cunit all $(TESTS)
	@$(RUN) $(call programs,$*) $(call scripts,$*)
check-e2e check-fault check-slurm: check-%: test-programs
	@$(RUN) $(call scripts,$*)
cunit:
	@echo '#include <CUnit/CUnit.h>' | $(CC) $(STD) -E - >/dev/null 2>&1 || \
	    { echo "CUnit is missing, which only the tests need: run ./bootstrap --tests" >&2; exit 1; }
# What the scripts start.
test-programs: cunit all $(HELPERS) $(FAULTS) $(SHIMS) $B/tests/unit/kernels/vectors
# Does each protection that tests/fault/README.md promises have a test that notices its loss?
MUTATION ?=
mutations: test-programs $(TESTS)
	@B=$B MPIRUN="$(MPIRUN)" tests/fault/mutations/run.sh $(MUTATION)
# Long forms of the fault tests: hours. FAULT=kill selects one, SEED=... other random choices.
FAULT ?= $(basename $(notdir $(call scripts,fault)))
soak: test-programs
	@SOAK=1 JOBS=$${JOBS:-1} $(RUN) $(FAULT:%=tests/fault/%.sh); code=$$?; for f in $(FAULT); do echo "$$f:"; tail -n 8 $B/log/fault/$$f.log; done; exit $$code
# clang finds other mistakes than gcc; warnings of both are errors in CI.
CLANG = $(if $(WRAPS),env OMPI_CC=clang MPICH_CC=clang $(CC),clang)
check-clang:
	@$(RUN) tests/clang.sh
clang-syntax:
	@printf '%s\n' $(SOURCES) | xargs -n 16 $(CLANG) $(STD) -fsyntax-only
asan-check:
	@$(MAKE) MODE=asan check

# libFuzzer, starting from the corpus in tests/fuzz/corpus. An input that crashes is written to build/fuzz and belongs
# in tests/fuzz/corpus once the bug is fixed.
FUZZ ?= $(basename $(notdir $(wildcard tests/fuzz/*.c)))
SECONDS_EACH ?= 60
fuzz:
	@$(MAKE) MODE=fuzz CC=clang $(FUZZ:%=fuzz-%)
fuzz-%: $B/tests/fuzz/%.o $B/libt2i-internal.a
	$(CC) $(ALL) -fsanitize=fuzzer -o $B/fuzz-$* $^ $(LIBS)
	mkdir -p $B/corpus/$* tests/fuzz/corpus/$*
	cd $B && TMPDIR=/dev/shm ASAN_OPTIONS=detect_leaks=1 ./fuzz-$* -max_total_time=$(SECONDS_EACH) -timeout=10 -rss_limit_mb=3000 -print_final_stats=1 \
	    corpus/$* ../../tests/fuzz/corpus/$*

bench: all $(BENCH) $(HELPERS)
	@B=$B MPIRUN="$(MPIRUN)" bash tests/bench/bench.sh

# Samples per second beside PyTorch over sizes of model, batch, prompts and shards, on one core.
sweep: all $(BENCH)
	@B=$B tests/bench/sweep.sh && awk -f tests/bench/sweep_plot.awk $B/sweep.txt >$B/sweep.svg && echo "$B/sweep.txt, $B/sweep.svg"

# What is kept of a run whose ranks are killed, by itself and under Slurm: 20 minutes per cell (MINUTES, CELLS, SLOW).
goodput: test-programs
	@B=$B MPIRUN="$(MPIRUN)" bash tests/bench/goodput.sh
	@B=$B tests/bench/goodput_slurm.sh

# Messages of a step on simulated nodes (SimGrid).
scaling:
	@bash tests/bench/smpi/run.sh
# Time of a step on 1 to 1,024 ranks, predicted from measurements on this machine.
scaling-model: all $(BENCH)
	@B=$B MPIRUN="$(MPIRUN)" bash tests/bench/smpi/model.sh

format:
	@clang-format -i $(filter-out src/draw/font.c,$(shell find src tests -name '*.[ch]'))
clean:
	rm -rf build

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all man arm64 always help test-programs mutations goodput install uninstall dist deb demo score taste showcase tutorial cunit check check-unit check-golden check-fuzz check-mpi check-e2e check-fault check-slurm check-clang clang-syntax asan-check \
        fuzz bench sweep scaling scaling-model soak format clean
.SECONDARY:
