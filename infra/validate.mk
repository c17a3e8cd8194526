# `make validate`: what can be known about the template without deploying it. Needs Python 3.

VENV := .tools/venv
VENV_READY := $(VENV)/.ready-$(shell cksum infra/validate/requirements.txt | cut -d' ' -f1)

# sam wants a region, even offline.
validate sam-build: export SAM_CLI_TELEMETRY = 0
validate sam-build: export AWS_DEFAULT_REGION = us-east-1

.PHONY: validate sam-build used
validate: $(VENV_READY) ## sam validate, cfn-lint, and our own checks of the templates
	$(VENV)/bin/sam validate --lint --template-file template.yaml
	$(VENV)/bin/sam validate --lint --template-file infra/watching/template.yaml
	$(VENV)/bin/cfn-lint template.yaml infra/watching/template.yaml
	mkdir -p .build
	$(VENV)/bin/python infra/validate/translate.py template.yaml .build/template.json
	go run ./infra/validate .build/template.json
	$(MAKE) --no-print-directory rie

# The Lambda runtime interface emulator that the SAM CLI brings along, with the binary for this machine.
.PHONY: rie
rie: $(VENV_READY) ## a function answers under AWS's own Runtime API
	CGO_ENABLED=0 go build -tags lambda.norpc,grpcnotrace -o .build/rie/bootstrap ./functions/action-executor
	go run ./infra/hosts -rie $$(echo $(VENV)/lib/python3*/site-packages/samcli/local/rapid/aws-lambda-rie-$(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)) .build/rie/bootstrap

# `make clean`, then everything that runs the functions (`make unit e2e demo`), goes before.
used: ## keep what the functions were seen to use of AWS, with which the template's roles are compared
	go run ./infra/local used > .build/used.txt
	mv .build/used.txt infra/local/guard/used.txt

# The artefacts as `sam deploy` takes them, in .aws-sam/build.
sam-build: $(VENV_READY)
	$(VENV)/bin/sam build

$(VENV_READY): infra/validate/requirements.txt
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@
