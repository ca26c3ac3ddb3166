"""The paper's Fashion-MNIST network: the authors' checkpoint, and a surrogate of this project."""

from pathlib import Path

from daa.targets import DATASETS, Family, Source, TargetRow, surrogate
from fmnist.model import MODEL

FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DATASETS["fashion_mnist"],
    targets={
        "authors": TargetRow(
            "trained against PGD at eps 0.2 by the paper's authors (a_very_robust_model)",
            model=MODEL,
            provenance="original",
            eps=0.2,
            source=Source(note="its data file is not public; ask the authors for it"),
        ),
        "surrogate": surrogate(
            "the same architecture trained by this project; not the paper's weights", MODEL, 0.2
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
