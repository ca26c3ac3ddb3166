"""Weights as plain arrays under their variables' names: TF1 checkpoints, .npz and .pth files."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daa.errors import InputError, require
from daa.targets import files, npy
from daa.tensorflow import tf

# What optimizers keep beside the weights, in the names that TF1 gives it.
_SLOTS = re.compile(r"(^|/)(global_step|beta[12]_power)$|/(Adam(_1)?|Momentum|RMSProp(_1)?)$")


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file of weights, without optimizer slots.

    Args:
        path: an .npz file, a .pth file of PyTorch, the prefix of a TF1 checkpoint, or a folder that
            holds one. The `checkpoint` file of a folder decides among several checkpoints. Only the
            last part of the path in it counts, as its folder is stale after a move.

    Returns:
        {variable name: array}.

    Raises:
        InputError: no file there, several checkpoints and no `checkpoint` file that names one of
            them, or damaged files.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return npy.read_npz(path)
    if path.suffix == ".pth":
        return _read_pth(path)
    prefix = find_prefix(path)
    for file in (_index(prefix), *data_files(prefix)):
        files.plain(file, "a file of a TF1 checkpoint")
    _check_size(prefix)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(name for name in reader.get_variable_to_shape_map() if not is_slot(name))
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError) as error:
        why = files.reason(error)
        raise InputError(f"{prefix}: expected a whole TF1 checkpoint, got {why}") from error


def _read_pth(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: expected PyTorch for reading a .pth file, got no module torch; "
            "pip install torch, or use an .npz file with the same arrays"
        ) from error
    most = files.unpacked_limit(files.plain(path, "PyTorch weights"))
    if zipfile.is_zipfile(path):  # older files are none
        files.require_unpacks(path, "PyTorch weights")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the pickle of a damaged file can fail in any way
        why = files.reason(error)
        raise InputError(f"{path}: expected PyTorch weights, got {why}") from error
    if isinstance(state, dict) and "state_dict" in state:
        state = state["state_dict"]
    state = state[0] if isinstance(state, list) and state else state
    fits = isinstance(state, dict) and all(
        isinstance(name, str) and torch.is_tensor(value) for name, value in state.items()
    )
    require(fits, str(path), "a mapping of arrays", type(state).__name__)
    arrays = {name: _array(value, f"{path}: {name}") for name, value in state.items()}
    size = sum(array.nbytes for array in arrays.values())  # one number may be a whole array
    require(size <= most, str(path), f"at most {most:,} bytes of numbers", size)
    return arrays


def _array(tensor: Any, where: str) -> np.ndarray:
    """The numbers of a tensor of PyTorch, also of one that is to be trained or is bfloat16."""
    try:
        tensor = tensor.detach()
        if str(tensor.dtype) == "torch.bfloat16":  # NumPy has no such type
            tensor = tensor.float()
        array: np.ndarray = tensor.numpy()
    except Exception as error:  # sparse, quantized or of another device
        why = files.reason(error)
        raise InputError(f"{where}: expected a plain array, got {why}") from error
    return array


def cast(arrays: Mapping[str, np.ndarray | tf.Tensor], dtype: str) -> dict[str, tf.Tensor]:
    """Arrays as constants of a type, "float32" or "bfloat16"."""
    return {name: tf.cast(tf.constant(value), dtype) for name, value in arrays.items()}


def sha256(path: str | Path) -> str:
    """Hash of a file of weights, or of a checkpoint's data files one after another."""
    path = Path(path)
    return files.sha256(*([path] if path.is_file() else data_files(find_prefix(path))))


def is_slot(name: str) -> bool:
    """Whether a variable belongs to the optimizer or counts steps."""
    return _SLOTS.search(name) is not None


def exists(path: Path) -> bool:
    """Whether a path is a file, the prefix of a checkpoint or a folder that holds one.

    The folder of weights whose download failed holds none.
    """
    return path.is_file() or _index(path).exists() or any(path.glob("*.index"))


def find_prefix(path: Path) -> Path:
    """The prefix of the checkpoint that a path names, by its prefix, its index or its folder.

    Raises:
        InputError: no checkpoint there, or several and no `checkpoint` file that names one.
    """
    if not path.is_dir():
        if path.suffix == ".index":
            path = path.with_suffix("")
        if not _index(path).exists():
            raise InputError(f"{path}: expected a TF1 checkpoint, got no file {_index(path).name}")
        return path
    found = sorted(file.with_suffix("") for file in path.glob("*.index"))
    record = path / "checkpoint"
    if record.is_file():
        text = record.read_text(encoding="utf-8", errors="replace")
        match = re.search(r'^model_checkpoint_path:\s*"([^"]*)"', text, re.MULTILINE)
        if match:
            # Backslashes, because a checkpoint may have been written on Windows.
            named = path / re.split(r"[/\\]+", match[1])[-1]
            if named in found:
                return named
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found) or "none"
    raise InputError(f"{path}: expected a folder with one TF1 checkpoint, got {names}")


def _index(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def data_files(prefix: Path) -> list[Path]:
    """The data files of a checkpoint, in order."""
    return sorted(prefix.parent.glob(f"{prefix.name}.data-*-of-*"))


def _check_size(prefix: Path) -> None:
    """Says that a file is empty or missing, which TensorFlow's own messages don't."""
    for path in (_index(prefix), *data_files(prefix)):
        if path.stat().st_size == 0:
            raise InputError(f"{path}: expected a whole TF1 checkpoint, got an empty file")
    if not data_files(prefix):
        raise InputError(
            f"{prefix}: expected a whole TF1 checkpoint, got no {prefix.name}.data-00000-of-00001"
        )


def select(
    arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], where: str | Path
) -> dict[str, np.ndarray]:
    """The variables of a network out of a file's arrays, as float32.

    Args:
        arrays: what the file holds; arrays that the network doesn't have are left out.
        shapes: {name: shape} of the network's variables.
        where: the file, for messages.

    Raises:
        InputError: a variable that is missing, has another shape, or holds something else than
            finite numbers.
    """
    chosen = {}
    for name, shape in shapes.items():
        if name not in arrays:
            held = ", ".join(sorted(arrays)[:4]) or "none"
            more = f" and {len(arrays) - 4} more" if len(arrays) > 4 else ""
            raise InputError(
                f"{where}: {name}: expected shape {list(shape)}, got no such variable "
                f"among {held}{more}"
            )
        array, found = arrays[name], list(arrays[name].shape)
        require(found == list(shape), f"{where}: {name}", f"shape {list(shape)}", found)
        if array.dtype.kind not in "fiu":
            raise InputError(f"{where}: {name}: expected finite numbers, got {array.dtype}")
        with np.errstate(over="ignore"):
            single = array.astype(np.float32)
        # Checked in the type that is computed with, in which 1e300 is infinite.
        if not np.isfinite(single).all():
            raise InputError(f"{where}: {name}: expected finite numbers of float32, got others")
        chosen[name] = single
    return chosen


def write(prefix: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes a TF1 checkpoint with these names, and the `checkpoint` file beside it.

    The original code restores it with `tf.train.Saver`. A killed program leaves no half checkpoint.

    Args:
        prefix: as in `weights/surrogate/model`.
        arrays: {variable name: array}.

    Returns:
        The prefix.
    """
    prefix = Path(prefix)
    names = list(arrays)
    with files.together(prefix.parent) as folder:
        temporary = folder / prefix.name
        tf.raw_ops.SaveV2(
            prefix=str(temporary),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(arrays[name]) for name in names],
        )
        record = folder / "checkpoint"
        record.write_text(
            f'model_checkpoint_path: "{prefix.name}"\n'
            f'all_model_checkpoint_paths: "{prefix.name}"\n',
            encoding="utf-8",
        )
    return prefix
