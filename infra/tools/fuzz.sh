#!/usr/bin/env bash
# Runs every fuzz target of the module: with a number and an x so many inputs
# each, with a duration so long each. A number is the rule, because a duration's
# end can race with a worker and fail a sound target with "context deadline
# exceeded" (https://go.dev/issue/75804, mended in Go 1.27).
#
# `go test -fuzz` would compile every package that a target links anew, to be
# guided by what it covers of each, and once more for every target link it. Here
# our own packages are the guide, which is where the branches are that a target
# is after; all others are those that every other target of the Makefile compiles.
# An input that covers something new is made smaller for a thousand runs of its
# target, not for the minute that is usual.
set -euo pipefail
budget=${1:-20000x}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
found=$(go env GOCACHE)/fuzz # where `go test -fuzz` keeps inputs too
# Words of the compiler: -d=libfuzzer is what `go test -fuzz` gives it.
guided=(-vet=off "-gcflags=./...=-d=libfuzzer")

mapfile -t dirs < <(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u)
go test -c "${guided[@]}" -o "$work/" "${dirs[@]}"
for dir in "${dirs[@]}"; do
  binary=$work/$(basename "$dir").test
  package=$(go list "$dir")
  for target in $(cat "$dir"/*_test.go | sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p'); do
    echo "fuzz $dir $target"
    if ! (cd "$dir" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$budget" \
      -test.fuzzminimizetime 1000x -test.fuzzcachedir "$found/$package" </dev/null >"$work/log" 2>&1); then
      cat "$work/log"
      exit 1
    fi
    # A target that is not guided says so and succeeds.
    if grep -q 'without coverage guidance' "$work/log"; then
      cat "$work/log"
      exit 1
    fi
    tail -n 2 "$work/log" | head -n 1
  done
done
