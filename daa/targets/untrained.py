"""Random weights of any architecture."""

import numpy as np

from daa.targets.family import Model


def arrays(model: Model, seed: int = 0) -> dict[str, np.ndarray]:
    """He-normal weights {name: array}, so no softmax saturates."""
    rng, weights = np.random.default_rng(seed), {}
    for name, shape in model.variables.items():
        # PyTorch's layout has the outputs first, TensorFlow's last.
        inputs = np.prod(shape[1:] if name.endswith("weight") else shape[:-1])
        scale = np.sqrt(2 / inputs) if len(shape) > 1 else 0.0
        weights[name] = (scale * rng.standard_normal(shape)).astype(np.float32)
        if name.endswith(("gamma", "moving_variance")):
            weights[name] += 1
    return weights
