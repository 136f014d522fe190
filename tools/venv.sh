#!/bin/sh
# Makes .venv with everything that Cherish needs, as requirements.txt names it: versions, and the hashes that each file
# must have. torch is pinned by its version alone here: an index of the machine's own may have its
# build for CPUs, a tenth of the size (the image's is by requirements-torch.txt). Run by make; needs Python 3.11 or newer.
# An environment that was cut off half way is completed; one that was moved with its folder is made again.
set -eu

fits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

choose() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14 python; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "Cherish needs Python 3.11 or newer, and found none; python3 is $(python3 --version 2>&1 || true)." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2
    exit 1
}

ready=.venv/.cherish-ready
if ! fits .venv/bin/python || { [ -f "$ready" ] && [ "$(cat "$ready")" != "$(pwd)" ]; }; then
    python=$(choose)
    rm -rf .venv
    echo "making .venv with $python ($("$python" --version 2>&1))"
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        echo "$python cannot make virtual environments; on Debian or Ubuntu install python3-venv" >&2
        exit 1
    fi
fi
rm -f "$ready"
echo "installing what requirements.txt pins (the first time this takes a few minutes)"
install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --root-user-action=ignore "$@"
}
install --no-deps --require-hashes -r requirements.txt
install --no-build-isolation -c constraints.txt "torch==2.13.0" "torchvision==0.28.0" -e ".[worker,embedded,dev]"
pwd >"$ready"
