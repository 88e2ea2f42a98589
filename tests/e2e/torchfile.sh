#!/bin/bash
# TIMEOUT: 300
# We read whatever PyTorch saves, and it reads what we write. PYTHON names a Python that has torch.
. tests/e2e/lib.sh.inc
python=${PYTHON:-python3}
"$python" -c 'import torch' 2>/dev/null || { echo "no PyTorch in $python (PYTHON names another)"; exit 77; }
[ -x "$B/tests/golden/torch" ] || { echo "$B/tests/golden/torch is not built (make check does)"; exit 77; }
"$python" tests/golden/torch_roundtrip.py "$B/tests/golden/torch"
