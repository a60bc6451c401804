# Targets of Mist. `make run` and `make test` need Go, make and git; what else
# a target needs is installed on Debian: PostgreSQL by `mist postgres`, the rest by
# scripts/need.
GO ?= go
export CGO_ENABLED ?= 0
BIN := bin
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help build postgres run demo test check verify generate conformance interop browser fuzz bench soak

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## bin/mist and bin/mist-verify, and the verifier for browsers inside of it
	@$(GO) run -trimpath ./portal/verify/pack
	@$(GO) build -trimpath -o $(BIN)/ ./cmd/...

postgres: build
	@$(BIN)/mist postgres

run: postgres ## start the sandbox, do the main job once before your eyes, keep serving
	@$(BIN)/mist sandbox --demo

demo: postgres ## the same, then stop; exit code 0 or 1
	@$(BIN)/mist demo

test: postgres ## everything, real PostgreSQL included
	$(GO) test ./...

check: postgres ## gofmt, vet, staticcheck, architecture, race, purego, generated code
	@scripts/need gcc
	@scripts/check

verify: ## regenerate generated code and compare
	@scripts/generated

generate: ## regenerate generated code in place
	$(GO) generate ./...

conformance: ## score over a corpus of signed documents (MIST_CORPUS)
	$(GO) test -count=1 -tags conformance -run '^TestConformance' -v ./signature/... ./soap/... | scripts/score

interop: postgres ## foreign signers, verifiers and SOAP clients, both ways
	@scripts/need interop
	CGO_ENABLED=1 $(GO) test -count=1 -tags pkcs11 ./registry/audit/token
	$(GO) test -count=1 -tags interop -timeout 3h -skip "^TestSpeed" ./signature/... ./soap/... ./fixtures/...

browser: postgres ## pages in a real browser: accessibility, languages, themes, widths
	@scripts/need browser
	MIST_BROWSER=required $(GO) test -count=1 -tags browser -timeout 30m -run '^TestBrowser' ./fixtures/scripts ./portal/verify

fuzz: ## every reader of outside bytes; FUZZTIME=1m each
	@scripts/fuzz $${FUZZTIME:-1m}

bench: postgres ## figures as ratios against named peers of the same run
	@scripts/need interop
	$(GO) test -count=1 -tags interop -timeout 60m -run '^TestSpeed' -v ./fixtures/interop/...
	$(GO) test -count=1 -timeout 60m -run '^$$' -bench . -benchmem ./...
	$(GO) test -count=1 -tags bench -timeout 60m -run '^TestBench' -v ./fixtures/scripts

soak: postgres ## signed acts under load, the server killed once a round (SOAKTIME=10m); three servers and PostgreSQL killed 300 times (KILLS=300), a hospital's side 50 times (EDGEKILLS=50); mixed acts with other registers that fail half the time
	SOAKTIME=$${SOAKTIME:-10m} $(GO) test -count=1 -timeout 60m -run "^(TestRegistersSoak|TestPaymentsReconcile)$$" -v ./soap/connector
	$(GO) test -count=1 -tags soak -timeout 60m -run "^TestKills$$" -v ./registry/postgres
	$(GO) test -count=1 -tags soak -timeout 60m -run "^(TestRollingRestart|TestSoak|TestEdgeKills)" -v ./fixtures/scripts
