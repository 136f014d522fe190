#!/usr/bin/env bash
# Makes .venv-text-peers, the environment of the gradient methods (dattri, kronfluence) beside which language models are
# attributed: their code, and of everything else what the project's own environment has, torch and transformers above all.
# Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ ! -x .venv-text-peers/bin/python ]; then
    .venv/bin/python -m venv .venv-text-peers
    own=$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')
    beside=$(.venv-text-peers/bin/python -c 'import site; print(site.getsitepackages()[0])')
    echo "import site; site.addsitedir('$own')" >"$beside/project.pth"
fi
if ! .venv-text-peers/bin/python -c 'import dattri, kronfluence' 2>/dev/null; then
    .venv-text-peers/bin/python -m pip install --quiet dattri==0.3.0 kronfluence==1.0.1
fi
.venv-text-peers/bin/python -c 'import dattri, kronfluence, torch; print("peers ready: torch", torch.__version__)'
