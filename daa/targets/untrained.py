"""Random weights of any architecture, also as checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daa.targets import checkpoints, files
from daa.targets.family import Family, Model


def arrays(model: Model, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights {name: array} which keep the scale of the signal, so no softmax saturates.

    Source: He et al. 2015.
    """
    rng, weights = np.random.default_rng(seed), {}
    for name, shape in model.variables.items():
        # PyTorch's layout has the outputs first, TensorFlow's last.
        inputs = np.prod(shape[1:] if name.endswith("weight") else shape[:-1])
        scale = np.sqrt(2 / inputs) if len(shape) > 1 else 0.0
        weights[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
        if name.endswith(("gamma", "moving_variance")):
            weights[name] += 1
    return weights


def write(family: Family, name: str, models: Path) -> Path:
    """Writes random weights for `Family.load_target`, unless a file exists.

    Args:
        family, name: family and name of the target.
        models: folder of all weights.

    Returns:
        The prefix of a TF1 checkpoint with a step counter, or an .npz file for PyTorch's names.
    """
    model, folder = family.row(name).model, models / family.name / name
    if any(key.endswith(".weight") for key in model.variables):
        path = folder.with_suffix(".npz")
        if not path.exists():
            files.save_npz(path, arrays(model))
        return path
    prefix = folder / "checkpoint-1"
    if not prefix.with_name(f"{prefix.name}.index").exists():
        checkpoints.write(prefix, {**arrays(model), "global_step": np.array(1, np.int64)})
    return prefix
