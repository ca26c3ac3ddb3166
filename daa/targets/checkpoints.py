"""Weights as arrays under their variables' names: TF1 checkpoints, .npz and .pth files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from daa.errors import InputError, require
from daa.targets import files
from daa.tensorflow import tf

# Variables of optimizers, in the names of TF1.
_SLOTS = re.compile(r"(^|/)(global_step|beta[12]_power)$|/(Adam(_1)?|Momentum|RMSProp(_1)?)$")


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz or .pth file or a TF1 checkpoint, without optimizer slots.

    A checkpoint has a prefix or a folder, whose file `checkpoint` decides among several.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return files.read_npz(path)
    if path.suffix == ".pth":
        return _read_pth(path)
    prefix = find_prefix(path)
    with files.reading(prefix, "a complete TF1 checkpoint"):
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_shape_map())
        return {k: np.asarray(reader.get_tensor(k)) for k in names if not _SLOTS.search(k)}


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a PyTorch file, read without running code of its pickle."""
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: expected PyTorch for reading a .pth file, got no module torch; "
            "pip install torch, or use an .npz file with the same arrays"
        ) from error
    with files.reading(path, "PyTorch weights by name"):
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state[0] if isinstance(state, list) and state else state
        for key in ("state_dict", "model_state_dict", "model"):
            if isinstance(state, dict) and isinstance(state.get(key), dict):
                state = state[key]
        if not isinstance(state, dict):
            raise TypeError(f"a {type(state).__name__}")
        if other := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
            raise TypeError(f"no tensor under {other[0]!r}")
        # NumPy has no bfloat16.
        tensors = (t.float() if t.dtype == torch.bfloat16 else t for t in state.values())
        return {str(name): t.detach().numpy() for name, t in zip(state, tensors, strict=True)}


def cast(arrays: Mapping[str, np.ndarray | tf.Tensor], dtype: str) -> dict[str, tf.Tensor]:
    """Arrays as constants of a type, "float32" or "bfloat16"."""
    return {name: tf.cast(tf.constant(value), dtype) for name, value in arrays.items()}


def sha256(path: str | Path) -> str:
    """Hash of a file of weights, or of the concatenated data files of a checkpoint."""
    path = Path(path)
    return files.sha256(*([path] if path.is_file() else data_files(find_prefix(path))))


def exists(path: Path) -> bool:
    """Whether a path is a file, the prefix of a checkpoint or a folder with a checkpoint."""
    return any(map(Path.is_file, [path, Path(f"{path}.index"), *path.glob("*.index")]))


def find_prefix(path: Path) -> Path:
    """The prefix of a checkpoint from its prefix, its index or its folder."""
    if not path.is_dir():
        path = path.with_suffix("") if path.suffix == ".index" else path
        if not Path(f"{path}.index").exists():
            raise InputError(f"{path}: expected a TF1 checkpoint, got no file {path.name}.index")
        return path
    prefixes = sorted(file.with_suffix("") for file in path.glob("*.index"))
    names = ", ".join(file.name for file in prefixes) or "none"
    record = path / "checkpoint"
    text = record.read_text(encoding="utf-8", errors="replace") if record.is_file() else ""
    match = re.search(r'^model_checkpoint_path:\s*"([^"]*)"', text, re.MULTILINE)
    if match and prefixes:
        # The path may come from Windows, and its folder from before a move.
        latest = path / re.split(r"[/\\]+", match[1])[-1]
        if latest in prefixes:
            return latest
        raise InputError(
            f"{record}: names {latest.name}, which is not in the folder; edit or remove the "
            f"file `checkpoint` to use one of {names}"
        )
    if len(prefixes) != 1:
        raise InputError(f"{path}: expected a folder with one TF1 checkpoint, got {names}")
    return prefixes[0]


def data_files(prefix: Path) -> list[Path]:
    return sorted(prefix.parent.glob(f"{prefix.name}.data-*-of-*"))


def select(
    arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], path: str | Path
) -> dict[str, np.ndarray]:
    """The variables of a network, {name: shape}, among the arrays of a file, as float32."""
    selected = {}
    for name, shape in shapes.items():
        if name not in arrays:
            names = ", ".join(sorted(arrays)[:4]) or "none"
            more = f" and {len(arrays) - 4} more" if len(arrays) > 4 else ""
            raise InputError(
                f"{path}: {name}: expected shape {list(shape)}, got no such variable "
                f"among {names}{more}"
            )
        array, got = arrays[name], list(arrays[name].shape)
        require(got == list(shape), f"{path}: {name}", f"shape {list(shape)}", got)
        if array.dtype.kind not in "fiu":
            raise InputError(f"{path}: {name}: expected finite numbers, got {array.dtype}")
        with np.errstate(over="ignore"):
            single = array.astype(np.float32)
        if not np.isfinite(single).all():  # 1e300 is infinite in float32
            raise InputError(f"{path}: {name}: expected finite numbers of float32, got others")
        selected[name] = single
    return selected


def write(prefix: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes a TF1 checkpoint and its file `checkpoint` atomically; returns the prefix."""
    prefix = Path(prefix)
    names = list(arrays)
    with files.together(prefix.parent) as folder:
        tf.raw_ops.SaveV2(
            prefix=str(folder / prefix.name),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(arrays[name]) for name in names],
        )
        (folder / "checkpoint").write_text(
            f'model_checkpoint_path: "{prefix.name}"\n'
            f'all_model_checkpoint_paths: "{prefix.name}"\n',
            encoding="utf-8",
        )
    return prefix
