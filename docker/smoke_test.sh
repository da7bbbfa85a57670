#!/usr/bin/env bash
# Builds the container, starts it by compose, sends it good and bad files, stops it while it works.
#
# PORT     where it is published meanwhile (8124)
# MODELS   a models folder to serve instead of ./models
#
# It uses the machine's container engine, or ../shared/tools/container-engine where there is none and
# that file exists. Exit code: 0 all held, 1 something did not, 3 there is no engine to test with.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=../shared/tools/container-engine
export PORT=${PORT:-8124} COMPOSE_PROJECT_NAME=xray-smoke DOCKER_BUILDKIT=1

build=(docker build)
compose=(docker compose)
stop_engine=
finish() {
  "${compose[@]}" down --timeout 5 --volumes >/dev/null 2>&1 || true
  [ -z "$stop_engine" ] || "$tool" down
}
trap finish EXIT
cannot() {
  echo "smoke test: $1, so nothing was tested"
  exit 3
}

if ! { docker info && docker buildx version; } >/dev/null 2>&1; then
  [ -x "$tool" ] || cannot "no container engine with BuildKit answers"
  docker info >/dev/null 2>&1 || stop_engine=yes
  { "$tool" up && "$tool" base python:3.13-slim; } || cannot "the engine could not be set up"
  build=("$tool" build)
fi
docker compose version >/dev/null 2>&1 || compose=(docker-compose)

fail() {
  echo "smoke test: $1"
  "${compose[@]}" logs --tail 30
  exit 1
}

scripts/venv dev
echo "smoke test: building"
"${build[@]}" --quiet --target service --tag pneumonia-xray . >/dev/null
"${compose[@]}" up --detach --no-build
container=$("${compose[@]}" ps --quiet xray)

started=$SECONDS
state() { docker inspect --format "{{.State.$1}}" "$container"; }
until [ "$(state Health.Status)" = healthy ]; do
  [ "$(state Running)" = true ] || fail "it stopped by itself, exit code $(state ExitCode)"
  [ $((SECONDS - started)) -lt 120 ] || fail "not healthy after two minutes: $(state Health.Status)"
  sleep 0.5
done
echo "smoke test: healthy after $((SECONDS - started)) s, image of" \
  "$(docker image inspect --format '{{.Size}}' pneumonia-xray | awk '{printf "%.2f GB", $1 / 1e9}')"

status=$(docker exec "$container" cat /proc/1/status)
grep -q $'^Uid:\t10001\t' <<<"$status" || fail "it does not run as user 10001"
grep -q $'^CapEff:\t0*$' <<<"$status" || fail "it has capabilities"
grep -q $'^NoNewPrivs:\t1$' <<<"$status" || fail "it may gain privileges"
! docker exec "$container" touch /app/x 2>/dev/null || fail "its file system can be written"

PYTHONPATH=. .venv/bin/python docker/smoke_checks.py "http://127.0.0.1:$PORT" \
  --stop docker stop --time 60 "$container" || fail "its answers were not as they should be"
[ "$(state ExitCode)" = 0 ] || fail "after SIGTERM it exited with $(state ExitCode), not 0"
echo "smoke test: stopped by SIGTERM with exit code 0; all held"
