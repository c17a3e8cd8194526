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
