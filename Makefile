# Targets of Mist. `make run` and `make test` need Go, make and git; what else
# a target needs (PostgreSQL, gcc for -race) scripts/need installs on Debian.
GO ?= go
export CGO_ENABLED ?= 0
BIN := bin
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help build run demo test check verify generate conformance interop fuzz bench soak

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## bin/mist and bin/mist-verify
	@$(GO) build -trimpath -o $(BIN)/ ./cmd/...

run: build ## start the sandbox, do the main job once before your eyes, keep serving
	@scripts/need postgresql
	@$(BIN)/mist sandbox --demo

demo: build ## the same, then stop; exit code 0 or 1
	@scripts/need postgresql
	@$(BIN)/mist demo

test: ## everything, real PostgreSQL included
	@scripts/need postgresql
	$(GO) test ./...

check: ## gofmt, vet, staticcheck, architecture, race, purego, generated code
	@scripts/need postgresql gcc
	@scripts/check

verify: ## regenerate generated code and compare
	@scripts/generated

generate: ## regenerate generated code in place
	$(GO) generate ./...

conformance: ## score over a corpus of signed documents (MIST_CORPUS)
	$(GO) test -count=1 -tags conformance -run '^TestConformance' -v ./signature/... ./soap/... | scripts/score

interop: ## foreign signers, verifiers and SOAP clients, both ways
	@scripts/need postgresql interop
	$(GO) test -count=1 -tags interop -timeout 60m ./signature/... ./soap/... ./fixtures/...

fuzz: ## every reader of outside bytes; FUZZTIME=1m each
	@scripts/fuzz $${FUZZTIME:-1m}

bench: ## figures as ratios against named peers of the same run
	@scripts/need postgresql interop
	$(GO) test -count=1 -run '^$$' -bench . -benchmem ./...

soak: ## mixed load with a failing neighbour; SOAKTIME=10m
	@scripts/need postgresql
	$(GO) test -count=1 -tags soak -timeout 60m -run '^TestSoak' -v ./cmd/mist/...
