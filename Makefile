# Each target is a short script in scripts/; they need Python 3.11 to 3.13 with its venv module.
.PHONY: help serve test check format coverage faults bench scale models screenshots image smoke lock supply platforms clean

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Use it
serve: ## start the service on http://127.0.0.1:8000 (PORT=8123 to change, LEAN=1 without TensorFlow)
	@scripts/serve

##@ Before each commit
check: ## lint, formatting, types, import contracts
	@scripts/check
format: ## fix formatting and simple lint findings
	@scripts/format
test: ## run the tests
	@scripts/test

##@ Measure
coverage: ## run the tests and measure line coverage of service/
	@scripts/coverage
faults: ## damaged files, broken HTTP, overload and signals (Linux; ARGS=--untimed on a busy machine)
	@scripts/faults $(ARGS)
bench: ## side by side with peers and the floor (ARGS=--quick for a minute)
	@scripts/bench $(ARGS)
scale: ## nodes, cores, noisy clients; writes the figures in docs/scaling.md (ARGS=--help)
	@scripts/scale $(ARGS)

##@ Networks and pictures
models: ## compile models/ from its networks (DATA=path/to/chest_xray)
	@scripts/models
screenshots: ## take the READMEs' pictures of the page (needs Chromium)
	@scripts/screenshots

##@ Package and release
image: ## build both container images
	@scripts/image
smoke: ## build the images, start them, send them X-rays, stop them
	@docker/smoke_test.sh
lock: ## write the lock files from pyproject.toml
	@scripts/lock
supply: ## write SBOMs of the served locks, and look for known vulnerabilities
	@scripts/supply $(ARGS)
platforms: ## check that the locks install on every supported platform
	@scripts/platforms

##@ Tidy up
clean: ## remove .venv and what tools left behind
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
