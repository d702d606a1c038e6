#!/usr/bin/env bash
# Fuzzes every parser, each for a time (10m by default), and prints a line a target.
#   scripts/fuzz.sh [TIME] [PATTERN]
set -u
cd "$(dirname "$0")/.."
time=${1:-10m} pattern=${2:-.}
status=0
for package in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
  for target in $(grep -h '^func Fuzz' "$package"/*_test.go | sed -E 's/func (Fuzz[A-Za-z0-9]*).*/\1/' | grep -E "$pattern"); do
    if out=$(go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x 2>&1); then
      echo "ok   $package $target $time: $(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)"
    else
      echo "FAIL $package $target"; tail -30 <<<"$out"; status=1
    fi
  done
done
exit $status
