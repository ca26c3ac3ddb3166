"""Peak memory of attacks on ImageNet images that lie on disk: python tests/bounded.py 2000 4000.

Each number of images runs in a process of its own: the rows of configs/table_imagenet.yaml with two
steps, on ten photographs of noise over and over, and a linear network in the place of
Inception-ResNet-v2. The peak is that of anonymous memory; pages of files, which the system can take
back, don't count. It takes about ten minutes and, in TMPDIR, 10 GB of disk for each 1,000 images.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "configs" / "table_imagenet.yaml"
PHOTOGRAPHS = 10


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=int, nargs="+")
    parser.add_argument("--part", type=int, default=1 << 30, help="bytes computed at once")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.alone:
        print(alone(args.alone, args.images[0], args.part))
        return
    for images in args.images:
        print(f"{images:,} images: {peak(images, args.part) / 2**30:.2f} GiB", flush=True)


def peak(images: int, part: int) -> int:
    """Bytes of anonymous memory that an attack on so many images takes, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, str(images), "--part", str(part), "--alone", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return int(done.stdout.splitlines()[-1])


def alone(folder: Path, images: int, part: int) -> int:
    """The same, in this process."""
    seen = [0]

    def watch() -> None:
        while True:
            status = Path("/proc/self/status").read_text(encoding="utf-8")
            (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
            seen.append(max(seen.pop(), 1024 * int(line.split()[1])))
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()

    import numpy as np

    import imagenet_ens
    from daa import memory
    from daa.runs import config, run
    from daa.runs.setup import Setup

    memory.available = lambda: 0
    memory.PART, memory.SMALL = part, min(part, memory.SMALL)
    photographs(folder / "imagenet", images)
    data = imagenet_ens.load_dataset(data_dir=folder, images=images)
    assert isinstance(data.x.base, np.memmap)
    experiment = config.load(CONFIG)
    rows = tuple(row.model_copy(update={"attack": short(row.attack)}) for row in experiment.rows)
    experiment = experiment.model_copy(update={"rows": rows, "images": images})
    ready = Setup(experiment, linear(), partial(linear), data, folder / "out", {"config": "none"})
    run.reproduce(ready, progress=False, say=lambda _: None)
    assert len(list((folder / "out").glob("*.json"))) == len(rows)
    return seen[0]


def photographs(folder: Path, images: int) -> None:
    """A folder of images as that of the validation set."""
    import numpy as np
    import tensorflow as tf

    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (PHOTOGRAPHS, 300, 400, 3)).astype(np.uint8)
    contents = [tf.io.encode_jpeg(photograph, quality=30).numpy() for photograph in noise]
    for k in range(images):
        (folder / f"{k}.JPEG").write_bytes(contents[k % PHOTOGRAPHS])
    lines = [f"{k}.JPEG,{k % 1000}\n" for k in range(images)]
    (folder / "labels.csv").write_text("file,label\n" + "".join(lines), encoding="utf-8")


def linear():
    """A network that takes no memory beside that of its images."""
    import numpy as np
    import tensorflow as tf

    from daa import Target

    w = tf.constant(np.random.default_rng(0).standard_normal((299 * 3, 1001)).astype(np.float32))

    def network(x):
        return tf.reshape(tf.reduce_mean(x, axis=1), [-1, 299 * 3]) @ w

    return Target("test/linear", network, (299, 299, 3), 1001)


def short(attack):
    """An attack with two steps, where it has more than one."""
    if attack.method_spec.steps:
        return attack
    return attack.replace(
        steps=2, **({"steps_per_shuffle": 1} if attack.method_spec.particles else {})
    )


if __name__ == "__main__":
    main()
