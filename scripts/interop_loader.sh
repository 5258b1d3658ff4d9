#!/usr/bin/env bash
# Prove that our SequenceDataset gives the items of robomimic's own, for all its settings; robomimic lies in
# .venv-interop, which scripts/interop.sh makes.
set -euo pipefail
cd "$(dirname "$0")/.."
demos=examples/data/robomimic_lift_ph10_lowdim.hdf5
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
.venv-interop/bin/python tests/interop/robomimic_items.py "$demos" "$out/items" > "$out/log" 2>&1 || { cat "$out/log"; exit 1; }
TRAJLOOM_CACHE="$out/cache" "${PYTHON:-.venv/bin/python}" tests/interop/loader_items.py "$demos" "$out/items"
