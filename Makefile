# SPDX-License-Identifier: MIT
# What a person types: `make demo` and `make test`. Both install the few system packages that are missing.

SHELL := /bin/bash
PREFIX ?= /usr/local
DEMO ?= demo
BINARY = .build/release/apus

.PHONY: help demo test test-nvrtc torture build install lint dist examples docs bench fuzz sanitize clean system-packages

help:
	@echo "make demo     from nothing to a trained GPT, its report and samples (about 10 minutes on 2 cores)"
	@echo "make test     build and run all tests (release configuration: C is slow without optimisation)"
	@echo "make test-nvrtc compile all CUDA kernels with NVRTC from PyPI (needs Python 3 and a network, no GPU)"
	@echo "make torture  ten minutes of killing, starving and tricking training, and of damaged input: nothing may be lost"
	@echo "make build    the program: $(BINARY)"
	@echo "make install  copy it to $(PREFIX)/bin"
	@echo "make dist     an archive to install elsewhere: static program, completions, man pages (docs/distribution.md)"
	@echo "make examples build and run Examples/, which uses Apus as a library"
	@echo "make docs     the libraries' documentation, in .build/docs"
	@echo "make lint     check the formatting"
	@echo "make fuzz     damaged input for every parser, two minutes of it; scripts/fuzz --minutes N for more"
	@echo "make sanitize the tests of the C code with the address, undefined-behaviour and thread sanitizers"
	@echo "make clean    remove what was built and the demo's folder"

system-packages:
	@scripts/install-system-packages

build: system-packages
	swift build -c release --product apus

demo: build
	@scripts/demo "$(BINARY)" "$(DEMO)"

test: system-packages
	swift build -c release --build-tests
	swift test -c release --skip-build

test-nvrtc:
	scripts/test-nvrtc

fuzz: system-packages
	scripts/fuzz

sanitize: system-packages
	scripts/sanitize

torture: build
	scripts/torture --apus $(BINARY) --kills 100 --faults 60
	scripts/torture-prepare --apus $(BINARY)
	scripts/soak --apus $(BINARY) --minutes 3
	scripts/fuzz --minutes 1

lint:
	swift format lint --strict --recursive --configuration .swift-format Sources Tests Examples/Sources Examples/Package.swift Package.swift

dist: system-packages
	scripts/dist

examples: system-packages
	swift run -c release --package-path Examples

docs:
	scripts/docs

install: build
	install -D -m 755 $(BINARY) $(PREFIX)/bin/apus

clean:
	rm -rf .build demo dist Examples/.build
