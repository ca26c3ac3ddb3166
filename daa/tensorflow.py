"""TensorFlow, imported when it is first used.

`import daa`, the names of methods and the pages of results need no TensorFlow, and its import takes
seconds. So modules write `from daa.tensorflow import tf` and use `tf` inside functions only.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

if "tensorflow" not in sys.modules:
    # PyTorch brings Triton, which aborts the process if its LLVM loads after TensorFlow's LLVM.
    with contextlib.suppress(Exception):
        importlib.import_module("triton._C.libtriton")

if TYPE_CHECKING:
    import tensorflow as tf
else:

    class _TensorFlow:
        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module("tensorflow"), name)

    tf = _TensorFlow()

__all__ = ["tf"]
