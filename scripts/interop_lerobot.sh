#!/usr/bin/env bash
# Prove that LeRobot's own LeRobotDataset reads what we write, in an environment of its own (.venv-lerobot). lerobot
# holds torch below 2.11, which drags in gigabytes of CUDA; it is installed without its dependencies, beside those that
# its datasets need, and so is torchvision, of which they use no compiled part.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-lerobot
if [ ! -e "$venv/.installed" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    # torch: this build is the CPU one where a wheel of it is at hand; any other serves as well
    "$venv/bin/python" -m pip install --quiet 'torch==2.13.0'
    "$venv/bin/python" -m pip install --quiet datasets huggingface-hub packaging jsonlines pandas av einops draccus \
        pillow deepdiff psutil safetensors pyyaml
    "$venv/bin/python" -m pip install --quiet --no-deps 'lerobot==0.4.4' 'torchvision==0.28.0' accelerate
    touch "$venv/.installed"
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python=${TRAJLOOM_PYTHON:-.venv/bin/python}
sources=(examples/data/robomimic_lift_ph10_lowdim.hdf5)
images=../shared/data/robomimic_lift_ph3_image.hdf5
[ -e "$images" ] && sources+=("$images")
mapfile -t folders < <("$python" tests/interop/lerobot_writes.py "$out" "${sources[@]}")
HF_DATASETS_CACHE="$out/cache" HF_HOME="$out/home" "$venv/bin/python" tests/interop/lerobot_reads.py "${folders[@]}"
