"""TF1 checkpoints as plain arrays under their variables' names, in both directions."""

from __future__ import annotations

import hashlib
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from daa.errors import InputError

# What optimizers keep beside the weights, in the names that TF1 gives it.
_SLOTS = re.compile(r"(^|/)(global_step|beta[12]_power)$|/(Adam(_1)?|Momentum|RMSProp(_1)?)$")


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint, without optimizer slots.

    Args:
        path: prefix of a TF1 checkpoint, folder that holds one, or an .npz file. In a folder, the
            `checkpoint` file decides among several, by the last part of the path it recorded, as
            that path is stale once the folder was moved.

    Returns:
        {variable name: array}.

    Raises:
        InputError: nothing there, more than one checkpoint and no word which, or damaged files.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return read_npz(path)
    prefix = find_prefix(path)
    _check_size(prefix)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(name for name in reader.get_variable_to_shape_map() if not is_slot(name))
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError) as error:
        reason = _one_line(error)
        raise InputError(f"{prefix}: expected a whole TF1 checkpoint, got {reason}") from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, none of them pickled.

    Raises:
        InputError: missing, damaged, or not plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        reason = _one_line(error)
        raise InputError(f"{path}: expected an .npz file of arrays, got {reason}") from error


def load(
    path: str | Path, shapes: Mapping[str, tuple[int, ...]], dtype: tf.DType = tf.float32
) -> tuple[dict[str, tf.Tensor], str]:
    """A network's weights as constants, and the sha256 of the files that hold the numbers.

    Raises:
        InputError: as `read` and `select`.
    """
    arrays = select(read(path), shapes, path)
    return cast(arrays, dtype), sha256(path)


def cast(arrays: Mapping[str, np.ndarray | tf.Tensor], dtype: tf.DType) -> dict[str, tf.Tensor]:
    """Arrays as constants of a type."""
    return {name: tf.cast(tf.constant(value), dtype) for name, value in arrays.items()}


def sha256(path: str | Path) -> str:
    """Of an .npz file, or of a checkpoint's data files one after another."""
    path = Path(path)
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else data_files(find_prefix(path)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_slot(name: str) -> bool:
    """Whether a variable belongs to the optimizer or counts steps."""
    return _SLOTS.search(name) is not None


def find_prefix(path: Path) -> Path:
    """The prefix of the checkpoint that a path names: a prefix itself, or a folder.

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
    """TensorFlow maps the files into memory; an empty or missing one is said here."""
    for path in (_index(prefix), *data_files(prefix)):
        if path.stat().st_size == 0:
            raise InputError(f"{path}: expected a whole TF1 checkpoint, got an empty file")
    if not data_files(prefix):
        raise InputError(
            f"{prefix}: expected a whole TF1 checkpoint, got no {prefix.name}.data-00000-of-00001"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "message", None) or error).split())[:200]


def select(
    arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], where: str | Path
) -> dict[str, np.ndarray]:
    """The variables of a network out of a file's arrays, as float32.

    Args:
        arrays: what the file holds; further arrays are ignored.
        shapes: {name: shape} of the network.
        where: the file, for messages.

    Raises:
        InputError: a missing variable, named with what was found; another shape; not a number.
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
        array = arrays[name]
        if array.shape != tuple(shape):
            found = list(array.shape)
            raise InputError(f"{where}: {name}: expected shape {list(shape)}, got {found}")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise InputError(f"{where}: {name}: expected finite numbers, got others")
        chosen[name] = array.astype(np.float32)
    return chosen


def write(prefix: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes a TF1 checkpoint with these names, and the `checkpoint` file beside it.

    The original code restores it with `tf.train.Saver`. The files are written elsewhere in the same
    folder and renamed, the index last, so that a killed program leaves no half checkpoint.

    Args:
        prefix: as in `weights/surrogate/model`.
        arrays: {variable name: array}.

    Returns:
        The prefix.
    """
    prefix = Path(prefix)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    names = list(arrays)
    with tempfile.TemporaryDirectory(dir=prefix.parent, suffix=".partial") as folder:
        temporary = Path(folder) / prefix.name
        tf.raw_ops.SaveV2(
            prefix=str(temporary),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(arrays[name]) for name in names],
        )
        record = Path(folder) / "checkpoint"
        record.write_text(
            f'model_checkpoint_path: "{prefix.name}"\n'
            f'all_model_checkpoint_paths: "{prefix.name}"\n',
            encoding="utf-8",
        )
        for file in (*data_files(temporary), _index(temporary), record):
            file.replace(prefix.parent / file.name)
    return prefix
