# Everything a developer does here, by name. `make help` lists it.

SHELL := /bin/bash
FUNCTIONS := $(notdir $(wildcard functions/*))
FUZZTIME ?= 20000x
export GOTOOLCHAIN := local

# A package is compiled twice, with the race detector and without: whatever is not run with it is compiled as the local
# stack compiles functions, with the tags of those that are deployed. go test leaves out its vet, which would read every
# package once more for each of the two: lint does all of it.
export GOFLAGS := -tags=lambda.norpc,grpcnotrace
export CGO_ENABLED := 0
PLAIN := go test -vet=off
RACED := CGO_ENABLED=1 go test -vet=off -race

.DEFAULT_GOAL := help
.PHONY: help build test unit random e2e fuzz demo spike invoke bench lint validate clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

build: ## compile everything, and the functions as they are deployed (arm64) into .build/arm64
	go build ./...
	@set -e; for f in $(FUNCTIONS); do $(SAM_GO_BUILD) -o .build/arm64/$$f/bootstrap ./functions/$$f; echo "built $$f"; done

test: unit random fuzz e2e ## everything that can fail: the next four, one after the other

unit: ## all packages with the race detector, and a part of their random runs
	$(RACED) -short -timeout 20m $$(go list ./... | grep -v /infra/local/e2e)

random: ## all random runs of the deciding rooms and against the EVM, the largest burst and two hours of watched jobs, without the race detector
	$(PLAIN) -timeout 20m ./shared/swap ./shared/follow ./shared/txn
	$(PLAIN) -run 'TestProductAgreesWithEVM|TestLargestBurst|TestTwoHours' ./infra/contracts ./shared/store

e2e: ## whole stacks under every fault: kills at every request, lost doorbells, bad endpoints (minutes); functions have the race detector, but for the thousands that are killed
	$(PLAIN) -timeout 40m ./infra/local/e2e

fuzz: ## run each fuzz target from its committed corpus, FUZZTIME inputs (20000x) or so long (5m)
	@infra/tools/fuzz.sh $(FUZZTIME)

demo: ## watch two chains of swaps come to their right end (three minutes)
	go run ./infra/local demo

spike: ## watch fifty claims while the base fee rises twentyfold (a quarter of a minute)
	go run ./infra/local spike

invoke: ## run one function with its event, as FUNCTION=state-sync, or all of them
	go run ./infra/local invoke $(FUNCTION)

bench: ## figures: speed, memory, calls and capacity units
	$(PLAIN) -run '^$$' -bench . -benchmem $$(grep -rlE '^func Benchmark' --include='*_test.go' . | xargs -n 1 dirname | sort -u)

lint: ## golangci-lint
	@mkdir -p .tools
	@[ -x .tools/golangci-lint ] && [ .tools/golangci-lint -nt infra/tools/go.sum ] || \
		go build -modfile=infra/tools/go.mod -o .tools/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	.tools/golangci-lint run ./...

clean: ## remove what the other targets made
	rm -rf .build .aws-sam .tools .local

include infra/sam.mk
include infra/validate.mk
