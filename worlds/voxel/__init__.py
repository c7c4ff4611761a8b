"""The embedded Minecraft-like voxel world: batched, deterministic, numba.

Compiled kernels are kept inside the environment, in a folder named after these sources: numba itself looks
at the file of a kernel alone, and would go on with the old code of the kernels that it calls.
"""

import hashlib
import os
import sys
from pathlib import Path

import numba


def _kernel_cache() -> str:
    """The folder for this version's kernels, or "" (numba's own choice) where none can be written."""
    parent = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(sys.prefix) / "numba-cache")
    sources = sorted(Path(__file__).parent.glob("*.py"))
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    try:
        (parent / version).mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(parent / version)


numba.config.CACHE_DIR = _kernel_cache()
