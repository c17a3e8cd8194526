# Build targets of `sam build` (Metadata: BuildMethod: makefile), one per function: build-<LogicalId>.
# The folder under functions/ is the logical id in kebab case: StateSync is functions/state-sync.

SAM_FUNCTIONS := StateSync TimelockMonitor CancellationCheck TransactionTracker ActionExecutor JobWatchdog BalanceMonitor HealthCheck StatePersistence OrderCleanup MetricsAggregator DailyReport Pacer

# grpcnotrace leaves out a debugging page (with html/template) that nobody sees: half a megabyte of zip.
# GOFLAGS of the caller would change what is deployed, and so would the commit: a function whose code is the same stays the
# same, and is not deployed anew.
SAM_GO_BUILD = GOFLAGS= GOOS=linux GOARCH=arm64 CGO_ENABLED=0 \
	go build -buildvcs=false -tags lambda.norpc,grpcnotrace -trimpath -ldflags "-s -w"

.PHONY: $(SAM_FUNCTIONS:%=build-%)
$(SAM_FUNCTIONS:%=build-%): build-%:
	$(SAM_GO_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" \
		./functions/$$(printf '%s' '$*' | sed 's/\([a-z]\)\([A-Z]\)/\1-\2/g' | tr 'A-Z' 'a-z')
	cp infra/config/chains.yaml "$(ARTIFACTS_DIR)/chains.yaml"

# A stack whose packaged file cannot be read starts nothing, and health-check could not try a better one either: such a
# file is not built.
.PHONY: chains-file
build-HealthCheck: chains-file
chains-file:
	GOFLAGS= STACK_OUTPUTS= go run ./infra/ops chains check infra/config/chains.yaml -offline

# The most bytes that a function may have, zipped: what it starts with has to be fetched before it runs. The goal is 8.5 MB
# as the SAM CLI zips, with zlib, which leaves 1.5 % less than Go does.
ZIP_MOST := 8600000

.PHONY: artefacts arm64
artefacts: ## every function as it is deployed comes out byte for byte the same in another folder, and is small enough
	rm -rf .build/artefacts
	set -e; for n in one two; do \
		mkdir -p .build/artefacts/$$n/src .build/artefacts/$$n/out; \
		git ls-files -z go.mod go.sum functions shared | xargs -0 cp --parents -t .build/artefacts/$$n/src; \
		(cd .build/artefacts/$$n/src && $(SAM_GO_BUILD) -o ../out/ ./functions/...); \
	done
	diff -r .build/artefacts/one/out .build/artefacts/two/out
	go run ./infra/hosts -zip $(ZIP_MOST) .build/artefacts/one/out/*

# qemu-user-static runs without being installed, and lists of packages can be kept anywhere: nobody has to be root.
APT := -o Dir::State::lists=$$PWD/apt -o Dir::Cache=$$PWD/apt/cache
QEMU ?= $(shell command -v qemu-aarch64-static || echo .tools/qemu/usr/bin/qemu-aarch64-static)
.tools/qemu/usr/bin/qemu-aarch64-static:
	mkdir -p .tools/qemu/apt/partial
	cd .tools/qemu && apt-get -qq $(APT) update && apt-get -qq $(APT) download qemu-user-static
	cd .tools/qemu && dpkg-deb --fsys-tarfile qemu-user-static_*.deb | tar -x ./usr/bin/qemu-aarch64-static && rm -r qemu-user-static_*.deb apt
	touch $@

arm64: artefacts $(QEMU) ## a function as it is deployed starts and answers on an emulated arm64
	go run ./infra/hosts -qemu $(QEMU) .build/artefacts/one/out/action-executor
