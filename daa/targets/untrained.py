"""Networks without training: random weights of any architecture, also as checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daa.targets import checkpoints, files
from daa.targets.family import Family, Model


def arrays(model: Model, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights that keep the scale of the signal, so that no softmax saturates.

    Args:
        model: an architecture.
        seed: of the weights.

    Returns:
        {name: array} as files of weights hold them, float32.

    Source: He et al. 2015.
    """
    rng, found = np.random.default_rng(seed), {}
    for key, shape in model.variables.items():
        # PyTorch's layout has the outputs first, TensorFlow's last.
        inputs = np.prod(shape[1:] if key.endswith("weight") else shape[:-1])
        scale = np.sqrt(2 / inputs) if len(shape) > 1 else 0.0
        found[key] = (scale * rng.standard_normal(shape)).astype(np.float32)
        if key.endswith(("gamma", "moving_variance")):
            found[key] += 1
    return found


def write(family: Family, name: str, models: Path) -> Path:
    """Writes random weights where `Family.load_target` looks for a target's own ones.

    Weights that are published for TensorFlow become a TF1 checkpoint under their original names,
    with a step counter beside them as in the originals.

    Args:
        family, name: of the target.
        models: folder of all weights.

    Returns:
        The prefix of the checkpoint, or the .npz file. One that is there already stays as it is.
    """
    model, place = family.row(name).model, models / family.name / name
    if any(key.endswith(".weight") for key in model.variables):
        path = place.with_suffix(".npz")
        if not path.exists():
            files.save_npz(path, arrays(model))
        return path
    prefix = place / "checkpoint-1"
    if not prefix.with_name(f"{prefix.name}.index").exists():
        checkpoints.write(prefix, {**arrays(model), "global_step": np.array(1, np.int64)})
    return prefix
