"""The images that an experiment shows, kept as numbers beside its records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daa import Dataset, progress, results
from daa.config import Experiment


def save(experiment: Experiment, folder: Path, data: Dataset, images: int = 10) -> None:
    """Writes examples.json: images that the second row breaks and the first does not."""
    first, second = (results.load(folder / f"{name}.json") for name in experiment.examples)
    kept = [folder / f"{name}.npz" for name in experiment.examples]
    if not all(path.exists() for path in kept):
        return  # the records were committed, their images not
    chosen = sorted(set(second["broken"]) - set(first["broken"]))[:images]
    reports = [
        progress.load(path, results.identity_of(record))[0]
        for path, record in zip(kept, (first, second), strict=True)
    ]

    def pixels(x: np.ndarray) -> list:
        return np.round(x[chosen].astype(float), 4).reshape(len(chosen), -1).tolist()

    content = {
        "rows": list(experiment.examples),
        "images": chosen,
        "labels": data.y[chosen].tolist(),
        "shape": list(data.x.shape[1:]),
        "natural": pixels(data.x),
        "adversarial": [pixels(report.adv) for report in reports],
    }
    results.save(folder / "examples.json", content)
