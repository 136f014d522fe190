#!/bin/sh
# Writes requirements.txt (everything, for developers) and requirements-image.txt (what the image runs): every package of
# constraints.txt, with the hashes of all files that were published of it, for any platform. Run it (make hashes) after a
# change of pins or dependencies. uv resolves, in an environment that is thrown away. torch and what it brings for GPUs
# are left out: their files differ by accelerator, so they are pinned by version alone.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
.venv/bin/python -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input uv
printf 'setuptools\n' >"$scratch/build.in"
write() {
    name=$1
    shift
    "$scratch/venv/bin/uv" pip compile --quiet pyproject.toml "$scratch/build.in" "$@" -c constraints.txt \
        --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
        --no-annotate -o "$scratch/$name" >/dev/null
    .venv/bin/python - "$scratch/$name" >"$scratch/short" <<'PYTHON'
import re
import sys
from pathlib import Path

print("# Written by make hashes from constraints.txt and pyproject.toml; torch and its libraries for GPUs are not here.")
for block in re.split(r"(?m)^(?=\S)", Path(sys.argv[1]).read_text()):
    if block.strip() and not re.match(r"(torch|triton|nvidia-|cuda-)", block):
        print(block.rstrip())
PYTHON
    cp "$scratch/short" "$name"
}
write requirements.txt --all-extras
write requirements-image.txt --extra worker --extra models --extra traces
