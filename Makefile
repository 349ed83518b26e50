# A thin front to CMake; `make help` says what there is.
#   PREFIX=DIR   where `make install` puts things (remembered by build/; /usr/local at first)
#   DESTDIR=DIR  a folder to stage them in
#   FUZZ_SECONDS=N, SOAK_SECONDS=N  how long `make fuzz` and `make soak` go on (3600)
.DEFAULT_GOAL := all
.NOTPARALLEL:
PREFIX ?=
DESTDIR ?=
FUZZ_SECONDS ?= 3600
SOAK_SECONDS ?= 3600

needs_build := gcc g++ cmake pkg-config libjansson-dev libelf-dev libncurses-dev libjs-dygraphs libcmocka-dev python3 libc6-dev strace
needs_programs := clang perl ruby lua5.4 sqlite3 jq git ghostscript z3 redis-server redis-tools binutils procps \
  util-linux
needs_check := $(needs_programs) libclang-rt-dev gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
needs_lint := clang clang-tidy cppcheck
needs_fuzz := clang libclang-rt-dev
needs_peers := libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 libtbbmalloc2
needs_arenas := libmimalloc-dev libjemalloc-dev libtalloc-dev libapr1-dev
needs_bench := $(needs_programs) valgrind $(needs_peers)

.PHONY: all build-release try check check-look-long check-faults coverage fuzz soak bench bench-limit bench-scale bench-giveback bench-steady bench-walk bench-arenas install guide bench-sampling bench-misuse check-mutants lint clean help
all: build-release

build-release:
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release $(if $(PREFIX),-DCMAKE_INSTALL_PREFIX='$(PREFIX)')
	cmake --build build -j$$(nproc)

try:
	@packaging/need.sh $(needs_build)
	@$(MAKE) --no-print-directory build-release
	PYTHONMALLOC=malloc build/bin/acre run -- /usr/bin/python3 packaging/try.py

check:
	@packaging/need.sh $(needs_build) $(needs_check)
	@packaging/need.sh --wanted 'tests of pages in a browser' chromium
	@packaging/check.sh

check-look-long:
	@packaging/need.sh $(needs_build)
	@$(MAKE) --no-print-directory build-release
	cmake -S . -B build-asan-tool -DCMAKE_BUILD_TYPE=Debug -DACRE_SANITIZE=address,undefined -DACRE_BENCH=OFF \
	  -DBUILD_TESTING=OFF
	cmake --build build-asan-tool -j$$(nproc) --target acre_tool
	python3 tests/tool/look/fuzz.py build --acre build-asan-tool/bin/acre --count 5000 --memory-mib 2048
	python3 tests/tool/look/running.py build --snapshots 1000 --slowdown

check-faults:
	@packaging/need.sh $(needs_build)
	@$(MAKE) --no-print-directory build-release
	tests/faults/all.sh build

coverage:
	@packaging/need.sh $(needs_build)
	tests/coverage/run.sh build-coverage

guide:
	@packaging/need.sh $(needs_build)
	@$(MAKE) --no-print-directory build-release
	python3 tests/tool/guide.py build --write

fuzz:
	@packaging/need.sh $(needs_build) $(needs_fuzz)
	CC=clang CXX=clang++ cmake -S . -B build-fuzz -DCMAKE_BUILD_TYPE=Debug -DACRE_FUZZ=ON -DACRE_TOOL=OFF -DACRE_BENCH=OFF
	cmake --build build-fuzz -j$$(nproc) --target acre-fuzz
	tests/fuzz/fuzz.sh build-fuzz $(FUZZ_SECONDS)

check-mutants:
	@packaging/need.sh $(needs_build)
	python3 tests/mutants/mutants.py

lint:
	@packaging/need.sh $(needs_build) $(needs_lint)
	@packaging/lint.sh

soak:
	@packaging/need.sh $(needs_build)
	@$(MAKE) --no-print-directory build-release
	cmake -S . -B build-debug -DCMAKE_BUILD_TYPE=Debug -DACRE_DEBUG=ON -DACRE_TOOL=OFF -DACRE_BENCH=OFF
	cmake --build build-debug -j$$(nproc) --target soak
	tests/soak/soak.sh $(SOAK_SECONDS) build build-debug

bench:
	@packaging/need.sh $(needs_build) $(needs_bench)
	@$(MAKE) --no-print-directory build-release
	python3 bench/run.py --build build
	python3 bench/instructions.py --build build

bench-limit:
	@packaging/need.sh $(needs_build) $(needs_bench)
	@$(MAKE) --no-print-directory build-release
	python3 bench/limit.py --build build

bench-scale:
	@packaging/need.sh $(needs_build) $(needs_peers)
	@$(MAKE) --no-print-directory build-release
	python3 bench/scale.py --build build

bench-giveback:
	@packaging/need.sh $(needs_build) $(needs_peers) redis-server
	@$(MAKE) --no-print-directory build-release
	python3 bench/giveback.py --build build

bench-steady:
	@packaging/need.sh $(needs_build)
	@$(MAKE) --no-print-directory build-release
	python3 bench/steady.py --build build

bench-walk:
	@packaging/need.sh $(needs_build) $(needs_peers)
	@$(MAKE) --no-print-directory build-release
	python3 bench/walk.py --build build

bench-arenas:
	@packaging/need.sh $(needs_build) $(needs_arenas)
	@$(MAKE) --no-print-directory build-release
	python3 bench/arenas.py --build build

bench-sampling:
	@packaging/need.sh $(needs_build) $(needs_programs)
	@$(MAKE) --no-print-directory build-release
	python3 bench/sampling.py --build build

bench-misuse:
	@packaging/need.sh $(needs_build) $(needs_peers)
	@$(MAKE) --no-print-directory build-release
	python3 bench/misuse.py --build build

install: build-release
	DESTDIR='$(DESTDIR)' cmake --install build

clean:
	rm -rf build build-debug build-clang build-coverage build-asan build-asan-tool build-ubsan build-tsan build-aarch64 build-fuzz build-lint build-mutants

help:
	@echo 'make                 build into build/ (Release)'
	@echo 'make try             build, then run a real program on acre and show what it did with memory'
	@echo 'make check           every build and every test'
	@echo 'make check-look-long acre map and why: thousands of damaged heaps, a thousand looks at a busy process'
	@echo 'make check-faults    every system call that acre makes is refused, one after the other and at random'
	@echo 'make guide           run all commands of docs/guide.md again, and put their outputs and pictures into it'
	@echo 'make coverage        which lines and branches of the library run in the tests'
	@echo 'make check-mutants   acre is broken in many ways, one at a time: does a test notice?'
	@echo 'make fuzz            bytes to calls of acre, by libFuzzer, for an hour or FUZZ_SECONDS=n'
	@echo 'make soak            everything at once, for an hour or SOAK_SECONDS=n; then not a byte may be left'
	@echo 'make lint            clang-tidy and cppcheck over the sources, which takes some minutes'
	@echo 'make bench           build, then the benchmark against glibc and the peers'
	@echo 'make bench-limit     build, then how far acre and the peers are from the least possible'
	@echo 'make bench-scale     build, then curves: cost against threads, heap size, number of sizes'
	@echo 'make bench-steady    what giving back costs programs that go on as they are'
	@echo 'make bench-giveback  what goes back to Linux, and when, while a program sleeps or shrinks'
	@echo 'make bench-walk      how fast 2 GiB of small trees are walked, on acre, glibc and the peers'
	@echo 'make bench-arenas    arenas that come and go, beside those of other libraries and pools'
	@echo 'make bench-sampling  what acre run costs a program, and what acre run --html does on top'
	@echo 'make bench-misuse    who notices what of double frees and the like: acre, glibc and the peers'
	@echo 'make install         install under PREFIX (/usr/local), staged in DESTDIR if that is set'
	@echo 'make clean           remove the build folders'
	@echo 'try, check and the benches install missing Debian packages when they run as root, else say which.'
