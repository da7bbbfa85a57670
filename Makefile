# Each target is a short script in scripts/; they need Python 3.11 to 3.13 with its venv module.
.PHONY: help serve test check format lock platforms models smoke bench faults clean

help:       ## this list
	@sed -n 's/^\([a-z]*\): *## /  make \1	/p' $(MAKEFILE_LIST)
serve:      ## start the service on http://127.0.0.1:8000 (PORT=8123 to change)
	@scripts/serve
test:       ## run the tests
	@scripts/test
check:      ## lint, formatting, types, import contracts
	@scripts/check
format:     ## mend formatting and simple lint findings
	@scripts/format
lock:       ## write the lock files from pyproject.toml
	@scripts/lock
platforms:  ## show that the locks install on every supported platform
	@scripts/platforms
models:     ## compile models/ from its networks (DATA=path/to/chest_xray)
	@scripts/models
smoke:      ## build the images, start them, send them X-rays, stop them
	@docker/smoke_test.sh
bench:      ## measure side by side with peers and the floor (ARGS=--quick for a minute)
	@scripts/bench $(ARGS)
faults:     ## throw damaged files, broken HTTP, overload and signals at it (ARGS=--untimed on a busy machine)
	@scripts/faults $(ARGS)
clean:      ## remove .venv and what tools left behind
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
