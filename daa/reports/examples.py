"""Images of an experiment's figure: examples.json."""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, model_validator

from daa.errors import require
from daa.runs import config, records, state
from daa.runs.config import Experiment
from daa.runs.records import Whole
from daa.target import Dataset

Pixels = tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
Size = Annotated[int, Field(ge=1, le=10_000)]


class Examples(BaseModel, frozen=True, extra="forbid"):
    """Images that the second of two runs breaks and the first does not.

    Pixels are in [0, 1], rounded to four decimals; each image is a list, row after row.
    """

    rows: tuple[str, str] = Field(description="Names of the two runs.")
    images: tuple[Whole, ...] = Field(description="Indices of the images in the data set.")
    labels: tuple[Whole, ...] = Field(description="Labels of the images.")
    shape: tuple[Size, Size, Size] = Field(description="Height, width and channels of an image.")
    natural: tuple[Pixels, ...] = Field(description="The clean images.")
    adversarial: tuple[tuple[Pixels, ...], tuple[Pixels, ...]] = Field(
        description="The adversarial images of each run."
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> "Examples":
        count, pixels = len(self.images), math.prod(self.shape)
        require(self.shape[2] in (1, 3), "shape", "1 or 3 channels", self.shape)
        require(len(self.labels) == count, "labels", f"{count} labels", self.labels)
        for images in (self.natural, *self.adversarial):
            sizes = [len(image) for image in images]
            expected = f"{count} images of {pixels} pixels"
            require(sizes == count * [pixels], "natural and adversarial", expected, sizes)
        return self


def save(experiment: Experiment, folder: Path, data: Dataset, images: int = 10) -> None:
    """Writes `Examples` of two rows, if their states, which hold adversarial images, are there."""
    if experiment.examples is None:
        return
    runs = [records.load(folder / f"{name}.json") for name in experiment.examples]
    reports = [state.load(folder / f"{one.run}.npz", one.identity).report for one in runs]
    if None in reports:
        return
    first, second = (set(record.broken) for record in runs)
    selected = sorted(second - first)[:images]

    def pixels(x: np.ndarray) -> list:
        return [np.round(image.astype(float), 4).ravel().tolist() for image in x[selected]]

    content = {
        "rows": experiment.examples,
        "images": selected,
        "labels": data.y[selected].tolist(),
        "shape": data.x.shape[1:],
        "natural": pixels(data.x),
        "adversarial": [pixels(report.adv) for report in reports if report is not None],
    }
    examples = Examples.model_validate(content)
    records.write_json(folder / records.EXAMPLES, examples.model_dump(mode="json"))


def load(folder: Path) -> Examples | None:
    """Reads examples.json of a result folder; None without the file."""
    path = folder / records.EXAMPLES
    return config.read(Examples, path, "the images of two runs") if path.exists() else None
