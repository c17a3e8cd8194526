# Build targets of `sam build` (Metadata: BuildMethod: makefile), one per function: build-<LogicalId>.
# The folder under functions/ is the logical id in kebab case: StateSync is functions/state-sync.

SAM_FUNCTIONS := StateSync TimelockMonitor CancellationCheck TransactionTracker ActionExecutor JobWatchdog BalanceMonitor HealthCheck StatePersistence OrderCleanup MetricsAggregator DailyReport Pacer

# grpcnotrace leaves out a debugging page (with html/template) that nobody sees: half a megabyte of zip.
# GOFLAGS of the caller would change what is deployed.
SAM_GO_BUILD = GOFLAGS= GOOS=linux GOARCH=arm64 CGO_ENABLED=0 \
	go build -tags lambda.norpc,grpcnotrace -trimpath -ldflags "-s -w"

.PHONY: $(SAM_FUNCTIONS:%=build-%)
$(SAM_FUNCTIONS:%=build-%): build-%:
	$(SAM_GO_BUILD) -o "$(ARTIFACTS_DIR)/bootstrap" \
		./functions/$$(printf '%s' '$*' | sed 's/\([a-z]\)\([A-Z]\)/\1-\2/g' | tr 'A-Z' 'a-z')
	cp infra/config/chains.yaml "$(ARTIFACTS_DIR)/chains.yaml"
