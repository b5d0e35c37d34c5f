# SPDX-License-Identifier: MIT
# What a person types: `make demo` and `make test`. Both install the few system packages that are missing.

SHELL := /bin/bash
PREFIX ?= /usr/local
DEMO ?= demo
BINARY = .build/release/apus

.PHONY: help demo test build install lint bench clean system-packages

help:
	@echo "make demo     from nothing to a trained GPT, its report and samples (under 10 minutes on 2 cores)"
	@echo "make test     build and run all tests (release configuration: C is slow without optimisation)"
	@echo "make build    the program: $(BINARY)"
	@echo "make install  copy it to $(PREFIX)/bin"
	@echo "make lint     check the formatting"
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

lint:
	swift format lint --strict --recursive --configuration .swift-format Sources Tests Package.swift

install: build
	install -D -m 755 $(BINARY) $(PREFIX)/bin/apus

clean:
	rm -rf .build demo
