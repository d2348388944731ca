# SPDX-License-Identifier: MIT
# A thin front: Meson and Ninja do the work. `make help` lists the targets.

BUILD ?= build
PREFIX ?= $(or $(prefix),/usr/local)
DESTDIR ?=
MESON ?= meson
SOAK ?= 600

.PHONY: all configured help demo test ward overhead figures gates install asan tsan valgrind soak vm clean

all: configured
	@echo 'Building in $(BUILD), with all tests: about 3 minutes on two CPUs the first time'
	@ninja -C $(BUILD) --quiet

help:
	@echo 'make            configure and build into $(BUILD)/'
	@echo 'make demo       install what is missing (apt), build, run leat bench and leat doctor; leaves $(BUILD)/leat-bench.html'
	@echo 'make test       install what is missing (apt), build, run all tests; the last line counts them'
	@echo 'make ward       doctor on all its patients, by either engine, before and after each remedy; apt fetches servers and releases'
	@echo 'make overhead   what it costs to be watched by doctor, and what it costs doctor; beside strace and bpftrace'
	@echo 'make figures    leat cp beside GNU cp, leat proxy beside HAProxy (root); writes the tables of README.md'
	@echo 'make gates      what ci/gates/ checks besides the tests'
	@echo 'make install    PREFIX=/usr/local DESTDIR='
	@echo 'make asan       the tests under address and undefined sanitizers; also: make tsan, make valgrind'
	@echo 'make soak       the property test with fresh seeds for SOAK=600 seconds, libFuzzer on each parser for 30, leat proxy twice for 60'
	@echo 'make vm         kernel facts and tests on other kernels, under qemu'
	@echo 'make clean      remove $(BUILD)/'

configured:
	@command -v $(MESON) >/dev/null || { echo 'meson is missing: run ci/install-deps.sh, or make demo' >&2; exit 1; }
	@[ -f $(BUILD)/build.ninja ] || { out=$$($(MESON) setup --prefix $(PREFIX) $(BUILD) .) || { echo "$$out"; exit 1; }; \
		echo "$$out" | sed -n 's/^Message: //p'; }

demo:
	@ci/install-deps.sh demo
	@$(MAKE) --no-print-directory configured
	@echo 'Building in $(BUILD): less than a minute the first time'
	@ninja -C $(BUILD) --quiet cli/leat
	@$(BUILD)/cli/leat bench --budget 50 --html $(BUILD)/leat-bench.html
	@echo 'The same with charts and explanation: $(BUILD)/leat-bench.html'
	@echo
	@ci/demo-doctor.sh $(BUILD)/cli/leat

test:
	@ci/install-deps.sh test
	@$(MAKE) --no-print-directory all
	@ci/test.sh $(BUILD) --no-suite ward

ward:
	@ci/install-deps.sh ward
	@$(MAKE) --no-print-directory configured
	@ninja -C $(BUILD) --quiet cli/leat src/libleat.a tests/doctor/printed
	@LEAT_BUILD=$(abspath $(BUILD)) tests/doctor/ward/run --fetch
	@LEAT_BUILD=$(abspath $(BUILD)) tests/doctor/ward/run --engine ptrace
	@LEAT_BUILD=$(abspath $(BUILD)) tests/run.sh $(CURDIR)/tests/doctor/prometheus.sh
	@LEAT_BUILD=$(abspath $(BUILD)) tests/doctor/mend.sh
	@LEAT_BUILD=$(abspath $(BUILD)) LEAT=$(abspath $(BUILD))/cli/leat tests/doctor/remedy.sh
	@LEAT_BUILD=$(abspath $(BUILD)) tests/run.sh $(CURDIR)/tests/doctor/releases.sh

overhead:
	@ci/install-deps.sh overhead
	@$(MAKE) --no-print-directory all
	@LEAT_BUILD=$(abspath $(BUILD)) tests/doctor/overhead/run
	@LEAT_BUILD=$(abspath $(BUILD)) tests/doctor/overhead/self

figures:
	@ci/install-deps.sh gates
	@$(MAKE) --no-print-directory configured
	@ninja -C $(BUILD) --quiet cli/leat
	@LEAT_BUILD=$(abspath $(BUILD)) tests/figures/cp --readme
	@LEAT_BUILD=$(abspath $(BUILD)) tests/figures/proxy --readme

gates:
	@ci/install-deps.sh gates
	@ci/gates.sh

# What is installed and nothing else: no test has to build for it.
INSTALLED = import json, os, sys; \
	print(*(os.path.relpath(f, sys.argv[1]) for t in json.load(sys.stdin) if t["installed"] for f in t["filename"]))

install: configured
	@$(MESON) configure $(BUILD) -Dprefix=$(PREFIX)
	@echo 'Building the library and the program in $(BUILD): less than a minute the first time'
	@ninja -C $(BUILD) --quiet build.ninja
	@ninja -C $(BUILD) --quiet $$($(MESON) introspect --targets $(BUILD) | python3 -c '$(INSTALLED)' "$$(realpath $(BUILD))")
	@DESTDIR=$(DESTDIR) $(MESON) install --no-rebuild -C $(BUILD)

asan tsan valgrind:
	@ci/sanitize.sh $@ $(BUILD)/$@

soak: all
	@FUZZ_SECONDS=30 tests/fuzz/fuzz.sh
	@$(BUILD)/tests/route-property --soak $(SOAK)
	@LEAT_BUILD=$(abspath $(BUILD)) LEAT=$(abspath $(BUILD))/cli/leat tests/run.sh $(CURDIR)/tests/proxy/soak.py 60

vm: all
	@tests/vm/run.sh $(BUILD)

clean:
	@rm -rf $(BUILD)
