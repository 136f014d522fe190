#!/usr/bin/env bash
# Makes .venv-peers, the environment of the peer libraries (pyDVL, shapiq), from benchmarks/peers/constraints.txt.
# It is apart from the product's own because pyDVL 0.10.0 needs numpy<2. Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
python="${PYTHON:-python3.11}"
if [ ! -x .venv-peers/bin/python ]; then
    "$python" -m venv .venv-peers
fi
if ! .venv-peers/bin/python -c 'import pydvl, shapiq' 2>/dev/null; then
    .venv-peers/bin/python -m pip install --quiet --constraint benchmarks/peers/constraints.txt pyDVL==0.10.0 shapiq==1.4.1 scikit-learn
fi
.venv-peers/bin/python -c 'import pydvl, shapiq; print("peers ready: pydvl", pydvl.__version__, "shapiq", shapiq.__version__)'
