# Each target is a short script in scripts/; they need Python 3.11 to 3.13 with its venv module.
.PHONY: help serve test check format lock platforms smoke clean

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
smoke:      ## build the container, start it, send it X-rays, stop it
	@docker/smoke_test.sh
clean:      ## remove .venv and what tools left behind
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
