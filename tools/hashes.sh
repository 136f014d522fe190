#!/bin/sh
# Writes requirements.txt (everything, for developers), requirements-image.txt (what the image runs) and
# requirements-torch.txt (torch, and what it brings for GPUs, as the public index has them): every package of
# constraints.txt, with the hashes of all files that were published of it, for any platform. Run it (make hashes) after a
# change of pins or dependencies. uv resolves, in an environment that is thrown away. torch is apart, because builds of it
# for other accelerators come from other indexes, have other hashes and bring other libraries.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
.venv/bin/python -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input uv
printf 'setuptools\n' >"$scratch/build.in"
resolve() {
    name=$1
    shift
    "$scratch/venv/bin/uv" pip compile --quiet pyproject.toml "$scratch/build.in" "$@" -c constraints.txt \
        --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
        --no-annotate -o "$scratch/$name" >/dev/null
}
# pick SOURCE NAME torch|rest: that part of what was resolved
pick() {
    .venv/bin/python - "$scratch/$1" "$3" >"$scratch/short" <<'PYTHON'
import re
import sys
from pathlib import Path

source, part = sys.argv[1:]
said = {
    "rest": "torch and its libraries for GPUs are in requirements-torch.txt.",
    "torch": "torch and its libraries for GPUs.",
}
print(f"# Written by make hashes from constraints.txt and pyproject.toml; {said[part]}")
for block in re.split(r"(?m)^(?=\S)", Path(source).read_text()):
    if block.strip() and bool(re.match(r"(torch|triton|nvidia-|cuda-)", block)) == (part == "torch"):
        print(block.rstrip())
PYTHON
    cp "$scratch/short" "$2"
}
resolve all --all-extras
resolve image --extra worker --extra models --extra traces
pick all requirements.txt rest
pick image requirements-image.txt rest
pick image requirements-torch.txt torch
