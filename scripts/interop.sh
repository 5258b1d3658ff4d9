#!/usr/bin/env bash
# Prove that robomimic's own dataset class reads what we write, in an environment of its own (.venv-interop):
# robomimic 0.3.0 builds egl_probe and wants torchvision, neither of which its dataset class needs, so it is
# installed without its dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-interop
if [ ! -e "$venv/.installed" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    # torch: this build is the CPU one where a wheel of it is at hand; any other serves as well
    "$venv/bin/python" -m pip install --quiet 'torch==2.13.0' 'numpy<2' h5py tqdm psutil termcolor
    "$venv/bin/python" -m pip install --quiet --no-deps 'robomimic==0.3.0'
    touch "$venv/.installed"
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trajloom=.venv/bin/trajloom
"$trajloom" annotate examples/data/robomimic_lift_ph10_lowdim.hdf5 "$out/annotated.hdf5" --task lift
"$trajloom" generate "$out/annotated.hdf5" "$out/lift" --task lift --successes 6 --seed 7
"$trajloom" convert "$out/lift" "$out/lift.hdf5"
"$trajloom" convert examples/data/robomimic_lift_ph10_lowdim.hdf5 "$out/human"
"$trajloom" convert "$out/human" "$out/human.hdf5"
"$venv/bin/python" tests/interop/robomimic_reads.py "$out/lift.hdf5" "$out/human.hdf5"
