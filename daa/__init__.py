"""Distributionally Adversarial Attack (Zheng, Chen, Ren) and its baselines, in TensorFlow."""

import os

# TensorFlow's start-up notes on the processor and missing GPU libraries; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

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
