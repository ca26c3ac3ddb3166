"""Imports TensorFlow without its start-up notes, which no log level silences."""

from __future__ import annotations

import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs while native code's stderr goes to a file.

    Where the import fails, all of it is shown.
    """
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):
                # As much memory as is needed, not all there is: others may share the device.
                tf.config.experimental.set_memory_growth(gpu, True)
            # Each attack is a function of its own that is traced for its shapes, which TensorFlow
            # takes for needless retracing and warns of.
            tf.get_logger().setLevel("ERROR")
        except BaseException:
            notes.seek(0)
            os.write(saved, notes.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
