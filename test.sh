#!/usr/bin/env bash
# Runs every test of every module. It needs Go, and Python 3 for plugins in Python; it gets ONNX Runtime itself, and
# grpcio into an environment in the cache. With
# MOEZOO_STRICT=1 a test that would be skipped for want of something fails instead.
set -euo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "== ONNX Runtime"
if ! go run ./cmd/zoo runtime install; then
  if [ "${MOEZOO_STRICT:-}" = 1 ]; then echo "ONNX Runtime is needed in strict mode"; exit 1; fi
  echo "going on without it: exports will not be checked"
fi

echo "== vet, also without cgo and without assembly"
go vet ./...
CGO_ENABLED=0 go build ./...
go vet -tags noasm ./backend/...

status=0
for module in $(git ls-files '*go.mod' | xargs -n1 dirname); do
  echo "== tests of module $module"
  (cd "$module" && go test -timeout 20m -v ./... 2>&1) >"$log" || status=1
  # -a: tests may print what is no text
  grep -aE '^(ok|FAIL|panic:|---? FAIL|\?)' "$log" || true
  if grep -aqE '^FAIL' "$log"; then grep -aB40 -E '^\s*--- FAIL' "$log" | tail -200; fi
  grep -aE '^\s*--- SKIP' "$log" | sort | sed 's/^/skipped: /' || true
done

levels=$(go run ./cmd/zoo doctor | sed -n 's/^kernels .*\[\(.*\)\].*/\1/p')
[ -n "$levels" ] || { echo "zoo doctor does not tell the levels of kernels"; status=1; }
for level in $levels; do
  echo "== kernels, operators and goldens at level $level"
  # -count=1: the level is chosen before the test cache watches the environment
  MOEZOO_CPU=$level go test -count=1 ./backend/... ./importer/... || status=1
done

echo "== tests of the kernels without assembly"
go test -tags noasm ./backend/... || status=1
exit $status
