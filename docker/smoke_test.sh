#!/usr/bin/env bash
# Builds both images, starts each with compose, sends valid and invalid files, stops it under load.
# Arguments select images: docker/smoke_test.sh lean
#
# PORT     port to publish (8124)
# MODELS   models folder to serve (./models); lean requires one with a compiled graph
#
# It uses the machine's container engine, or ../shared/tools/container-engine where there is none and
# that file exists. Exit code: 0 passed, 1 failed, 3 no container engine.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=../shared/tools/container-engine
export PORT=${PORT:-8124} COMPOSE_PROJECT_NAME=xray-smoke DOCKER_BUILDKIT=1
unset "${!XRAY_@}" # compose passes them on

version=$(scripts/version)
declare -A image=([runtime]=pneumonia-xray:$version [lean]=pneumonia-xray:$version-lean)
declare -A files=([runtime]="-f docker-compose.yml" [lean]="-f docker-compose.yml -f docker/lean.yml")
declare -A tensorflow=([runtime]="^tensorflow answers$" [lean]="install the extra 'tensorflow'")

build=(docker build)
compose=(docker compose)
stop_engine=
finish() {
  "${compose[@]}" down --timeout 5 --volumes >/dev/null 2>&1 || true
  [ -z "$stop_engine" ] || "$tool" down
}
trap finish EXIT
skip() {
  echo "smoke test: $1; nothing was tested"
  exit 3
}

if ! { docker info && docker buildx version; } >/dev/null 2>&1; then
  [ -x "$tool" ] || skip "no container engine with BuildKit"
  docker info >/dev/null 2>&1 || stop_engine=yes
  { "$tool" up && "$tool" base python:3.13-slim; } || skip "the container engine could not be started"
  build=("$tool" build)
fi
docker compose version >/dev/null 2>&1 || compose=(docker-compose)

fail() {
  echo "smoke test: $target: $1"
  "${compose[@]}" logs --tail 30
  exit 1
}
state() { docker inspect --format "{{.State.$1}}" "$container"; }
size() { docker image inspect --format '{{.Size}}' "$1"; }

start() { # a container of $target, with the settings in the environment
  # shellcheck disable=SC2086 # a list of options
  "${compose[@]}" ${files[$target]} up --detach --no-build
  container=$("${compose[@]}" ps --quiet xray)
  started=$SECONDS
  until [ "$(state Health.Status)" = healthy ]; do
    [ "$(state Running)" = true ] || fail "it exited with code $(state ExitCode)"
    [ $((SECONDS - started)) -lt 120 ] || fail "not healthy after two minutes: $(state Health.Status)"
    sleep 0.5
  done
}

run_checks() { # on the image of $target
  local started status output key=smoke-test-key-0123456789
  start
  echo "smoke test: $target: healthy after $((SECONDS - started)) s;" \
    "$(awk "BEGIN { all = $(size "${image[$target]}") / 1e6; base = $(size python:3.13-slim) / 1e6
      printf \"%d MB, %d of them on top of its base image\", all, all - base }")"

  status=$(docker exec "$container" cat /proc/1/status)
  grep -q $'^Uid:\t10001\t' <<<"$status" || fail "it does not run as user 10001"
  grep -q $'^CapEff:\t0*$' <<<"$status" || fail "it has capabilities"
  grep -q $'^NoNewPrivs:\t1$' <<<"$status" || fail "it can gain privileges"
  ! docker exec "$container" touch /app/x 2>/dev/null || fail "its file system is writable"
  docker run --rm --user 4242:0 --read-only "${image[$target]}" python -m service.cli model >/dev/null ||
    fail "another user ID cannot read its files"
  output=$(docker exec --interactive "$container" python - <docker/try_tensorflow.py 2>/dev/null)
  grep -q "${tensorflow[$target]}" <<<"$output" || fail "with the TensorFlow engine it printed: $output"

  PYTHONPATH=. .venv/bin/python docker/smoke_checks.py "http://127.0.0.1:$PORT" \
    --stop docker stop --time 60 "$container" || fail "its answers were not as expected"
  [ "$(state ExitCode)" = 0 ] || fail "after SIGTERM it exited with $(state ExitCode), not 0"
  "${compose[@]}" down --timeout 5 --volumes >/dev/null 2>&1

  XRAY_API_KEYS=$key start
  PYTHONPATH=. .venv/bin/python docker/smoke_checks.py "http://127.0.0.1:$PORT" --key "$key" ||
    fail "the key passed to compose is not required"
  echo "smoke test: $target: stopped by SIGTERM with exit code 0, key required: passed"
  "${compose[@]}" down --timeout 5 --volumes >/dev/null 2>&1
}

scripts/venv dev
for target in ${*:-runtime lean}; do
  echo "smoke test: building $target"
  "${build[@]}" --quiet --target "$target" --tag "${image[$target]}" . >/dev/null
  run_checks
done
