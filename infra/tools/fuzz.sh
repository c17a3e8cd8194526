#!/usr/bin/env bash
# Runs every fuzz target of the module: with a number and an x so many inputs
# each, with a duration so long each. A number is the rule, because a duration's
# end can race with a worker and fail a sound target with "context deadline
# exceeded" (https://go.dev/issue/75804, mended in Go 1.27).
set -euo pipefail
budget=${1:-20000x}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
  dir=$(dirname "$file")
  sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$file" | while read -r target; do
    echo "fuzz $dir $target"
    if ! go test -run '^$' -fuzz "^${target}\$" -fuzztime "$budget" "$dir" </dev/null >"$log" 2>&1; then
      cat "$log"
      exit 1
    fi
    tail -n 1 "$log"
  done
done
