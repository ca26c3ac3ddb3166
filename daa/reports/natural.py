"""Images that a network misclassifies without any attack, for records that do not count them.

Images that are misclassified without an attack are broken, whatever an attack does to them. Records
made before this was counted list only the images that some restart broke. `natural.json` beside
the result folders lists the images that each network misclassifies, so that tables and figures
count them in such records, too. Its one field, `networks`, is a list of entries.

Run as `python -m daa.reports.natural`, it writes the file anew for all committed records, from
the weights and data sets that they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from daa import targets
from daa.attacks.worst_case import margins
from daa.errors import InputError, require
from daa.reports import races
from daa.runs import config, records
from daa.runs.records import EVALUATION, EXAMPLES, Record, Whole
from daa.targets.files import read_json

FILE = "natural.json"


class Misclassified(BaseModel):
    """The images of a data set that a network misclassifies without any attack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(description="The classifier, `folder/name`.")
    weights_sha256: str = Field(description="Hash of the file of its weights.")
    data: str = Field(description="Name of the data set.")
    data_sha256: str = Field(description="Hash of the files of the data set.")
    images: tuple[Whole, ...] = Field(description="Indices of the images that it misclassifies.")

    def of(self, record: Record) -> bool:
        """Whether a record is of this network and these images."""
        return (self.weights_sha256, self.data_sha256) == (
            record.weights_sha256,
            record.data_sha256,
        )


class Natural(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[Misclassified, ...] = Field(description="One entry for each network.")


def load(results: Path) -> tuple[Misclassified, ...]:
    """Reads the file; no network where there is none.

    Args:
        results: the folder of the result folders.

    Raises:
        InputError: a damaged file.
    """
    path = results / FILE
    if not path.exists():
        return ()
    content = read_json(path, "images of networks")
    found: Natural = config.check(TypeAdapter(Natural), content, str(path))
    return found.networks


def counted(found: Mapping[str, Record], results: Path) -> tuple[dict[str, Record], dict[str, int]]:
    """Counts images that are misclassified without an attack as broken.

    The worst case of all restarts becomes exact. The accuracies after fewer restarts lose the same
    images, which no restart breaks; a record does not tell when others were broken first.

    Args:
        found: records by run.
        results: the folder of the result folders.

    Returns:
        The records, and {run: number of images that were added} without the runs that need none.
    """
    known = load(results)
    added: dict[str, int] = {}
    corrected = dict(found)
    for run, record in found.items():
        natural = {i for one in known if one.of(record) for i in one.images if i < record.images}
        if missing := natural - set(record.broken):
            added[run] = len(missing)
            corrected[run] = _with_broken(record, missing)
    return corrected, added


def _with_broken(record: Record, images: set[int]) -> Record:
    """The record with more broken images, which no restart broke."""
    right = [round(share * record.images) - len(images) for share in record.robust_accuracy]
    expected = f"{len(images)} more images that no restart broke, as {FILE} says"
    require(min(right) >= 0, f"{record.experiment}/{record.run}: robust_accuracy", expected,
            record.robust_accuracy)  # fmt: skip
    return record.model_copy(
        update={
            "broken": tuple(sorted({*record.broken, *images})),
            "robust_accuracy": tuple(count / record.images for count in right),
        }
    )


def find(
    found: Iterable[Record], data_dir: str | None = None, model_dir: str | None = None
) -> list[Misclassified]:
    """Runs each network that records name on its whole data set.

    Args:
        found: records, of the test set.
        data_dir, model_dir: folders of data sets and weights.

    Raises:
        InputError: weights or data that are missing or not those of the records.
    """
    by_target = {record.target: record for record in found}
    entries = []
    for name, record in sorted(by_target.items()):
        target = targets.load_target(name, model_dir=model_dir)
        data = targets.load_dataset(name, "test", data_dir)
        require(record.data == data.name, name, record.data, data.name)
        for what, got in (("weights", target.weights_sha256), ("data", data.sha256)):
            wanted = getattr(record, f"{what}_sha256")
            require(got == wanted, name, f"{what} with sha256 {wanted}", got)
        wrong = np.flatnonzero(~(margins(target, data.x, data.y) > 0))
        entries.append(
            Misclassified(
                target=name,
                weights_sha256=str(target.weights_sha256),
                data=data.name,
                data_sha256=str(data.sha256),
                images=tuple(wrong.tolist()),
            )
        )
    return entries


def write(results: Path = config.RESULTS) -> Path:
    """Writes the file for all records in the result folders.

    Returns:
        Its path.
    """
    found = []
    for path in results.glob("*/*.json"):
        if path.name not in (EXAMPLES, EVALUATION, races.NAME):
            found.append(records.load(path))
    if not found:
        raise InputError(f"{results}: expected result records, got none")
    content = Natural(networks=tuple(find(found)))
    records.write_json(results / FILE, content.model_dump(mode="json"))
    return results / FILE


if __name__ == "__main__":
    print(write())
