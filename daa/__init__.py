"""Distributionally Adversarial Attack (Zheng, Chen, Ren) and its baselines, in TensorFlow."""

import os

from daa.quiet import import_tensorflow

# Later notes on the processor and its instruction sets; warnings and errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
import_tensorflow()

from daa.attack import Attack, AttackConfig
from daa.data import Dataset
from daa.errors import InputError
from daa.evaluate import Report, worst_case
from daa.target import Bounds, Target

__all__ = [
    "Attack",
    "AttackConfig",
    "Bounds",
    "Dataset",
    "InputError",
    "Report",
    "Target",
    "worst_case",
]
