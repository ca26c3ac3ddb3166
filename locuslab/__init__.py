"""MNIST networks of the provable and the fast adversarial defence, published in PyTorch."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import tensorflow as tf

from daa import Dataset, InputError, Target, assets, checkpoints
from daa.data import mnist
from locuslab.model import VARIABLES, half, network, to_tensorflow

TARGETS = {
    "fast_pgd_mnist": "trained against PGD at eps 0.3 (Wong, Rice and Kolter 2020)",
    "wk_mnist": "provably robust at eps 0.1 (Wong and Kolter 2018)",
}


def load_target(
    name: str,
    path: str | Path | None = None,
    dtype: tf.DType = tf.float32,
    model_dir: str | Path | None = None,
) -> Target:
    """A network with its published weights, from an .npz or a .pth file.

    Args:
        name: of `TARGETS`.
        path: of the file; else `locuslab/NAME.npz` or `.pth` in the folder of the weights.
        dtype: tf.float32 or tf.bfloat16; the logits are float32.
        model_dir: folder of the weights; else `DAA_MODELS`, else the cache.

    Raises:
        InputError: an unknown name, a missing or damaged file, a missing array, another shape.
    """
    if name not in TARGETS:
        raise InputError(f"locuslab: expected one of {', '.join(TARGETS)}, got {name!r}")
    path = Path(path) if path else _find(assets.model_dir(model_dir) / "locuslab", name)
    arrays = _read_pth(path) if path.suffix == ".pth" else checkpoints.read_npz(path)
    arrays = checkpoints.select(arrays, VARIABLES, path)
    constants = checkpoints.cast(to_tensorflow(arrays), dtype)
    return Target(
        name=f"locuslab/{name}",
        network=network(constants),
        image_shape=(28, 28, 1),
        classes=10,
        weights="third-party",
        weights_sha256=checkpoints.sha256(path),
        half=lambda: network(half(constants)),
    )


def load_dataset(
    split: str = "test", data_dir: str | Path | None = None, images: int | None = None
) -> Dataset:
    """MNIST; see `daa.data.mnist`. All of it, or the first `images`."""
    return mnist(assets.data_dir(data_dir), split).first(images)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / f"{name}.npz", folder / f"{name}.pth"):
        if path.exists():
            return path
    raise InputError(
        f"{folder / name}.npz: expected the weights here or as .pth, got none; name their folder "
        "with --model-dir or DAA_MODELS"
    )


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: expected PyTorch for reading a .pth file, got no module torch; "
            "pip install torch, or use the .npz file"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: expected PyTorch weights, got {error}") from error
    if isinstance(state, dict) and "state_dict" in state:
        state = state["state_dict"]
    state = state[0] if isinstance(state, list) and state else state
    if not isinstance(state, dict) or not all(torch.is_tensor(value) for value in state.values()):
        raise InputError(f"{path}: expected a mapping of arrays, got {type(state).__name__}")
    return {name: value.numpy() for name, value in state.items()}
