# t2i-train. Targets: all, demo, check, asan-check, bench, format, clean; MODE = release | debug | asan.
MODE ?= release
B    := build/$(MODE)

OPT.release := -O3 -g
OPT.debug   := -O0 -g3 -DT2I_DEBUG
OPT.asan    := -O1 -g3 -DT2I_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all
WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes

# MPI's own flags, so that any compiler (CC=clang) can be used.
PKGS     := ompi-c openblas hdf5-serial libpng inih jansson libxxhash
PKG_CF   := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
LIBS      = $(shell pkg-config --libs $(PKGS)) -lm
ALL       = -std=c11 -ffp-contract=off -D_POSIX_C_SOURCE=200809L -Iinclude $(PKG_CF) $(WARN) $(OPT.$(MODE)) -MMD -MP $(CFLAGS)

LIB_SRC := $(filter-out src/tools/%,$(wildcard src/*/*.c))
TOOLS   := $(basename $(notdir $(wildcard src/tools/t2i-*.c)))
UNIT    := $(patsubst %.c,$B/%,$(wildcard tests/unit/*.c tests/golden/*.c tests/mpi/*.c))

all: $(TOOLS:%=$B/%)
$(TOOLS:%=$B/%): $B/%: $B/src/tools/%.o $B/libt2i.a
	$(CC) $(ALL) -o $@ $^ $(LIBS)
$B/libt2i.a: $(LIB_SRC:%.c=$B/%.o)
	@rm -f $@
	$(AR) rcs $@ $^
$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL) -c -o $@ $<
$(UNIT): $B/%: $B/%.o $B/libt2i.a
	$(CC) $(ALL) -o $@ $^ $(LIBS) -lcunit

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all
.SECONDARY:
