"""MNIST networks of two published defences, provable and fast adversarial training."""

from pathlib import Path
from typing import Any

from daa.targets import DATASETS, Family, Published, Source, TargetRow
from locuslab.model import MODEL, OWN

_CONVEX = "https://github.com/locuslab/convex_adversarial/raw"
# Commit of the first release.
_FIRST_RELEASE = "c5d17a6e9c0616ec4c71b851862e1d902f994c78"


def _third_party(
    description: str, file: str, address: str, published: str, eps: float, **accuracies: Any
) -> TargetRow:
    source = Source({file: address}, {file: published})
    return TargetRow(description, MODEL, "third-party", eps, source=source, **accuracies)


FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DATASETS["mnist"],
    targets={
        "own_mnist": TargetRow(
            "the same architecture trained by this project against PGD at eps 0.3",
            model=OWN,
            provenance="own",
            eps=0.3,
            weights="weights/own_mnist.npz",
            board=True,
        ),
        "own_mnist_l2": TargetRow(
            "the same architecture trained by this project against L2 PGD at eps 2",
            model=OWN,
            provenance="own",
            eps=2.0,
            norm="l2",
            weights="weights/own_mnist_l2.npz",
        ),
        "fast_pgd_mnist": _third_party(
            "trained against PGD at eps 0.3 (Wong, Rice and Kolter 2020)",
            "fast_pgd_mnist.pth",
            "https://github.com/locuslab/fast_adversarial/raw/master/MNIST/models/pgd_madry.pth",
            "877b74b1d2bf22a2ea958f7d8c892c02710e7c84627d14b44b1c67046fcd5a79",
            eps=0.3,
        ),
        "wk_mnist": _third_party(
            "provably robust at eps 0.1 (Wong and Kolter 2018)",
            "wk_mnist.pth",
            f"{_CONVEX}/master/models/mnist.pth",
            "95014ab0c04c73f48b3be0cb7acc42aff60ce4420c6c43bec25e9a1447279e08",
            eps=0.1,
            clean=Published(0.982, "Wong and Kolter 2018, error 1.8"),
        ),
        "wk17a_mnist": _third_party(
            "provably robust at eps 0.1, first release; its exact robust accuracy is known",
            "wk17a_mnist.pth",
            f"{_CONVEX}/{_FIRST_RELEASE}/models/mnist.pth",
            "665cce40af979286eabde7ba405af0a3a2575bbe6abbcaddc2c5e6f58621efc3",
            eps=0.1,
            clean=Published(0.9811, "MIPVerify by Tjeng, test of its weights"),
            robust=Published(0.9562, "Tjeng, Xiao and Tedrake 2019, by a complete verifier"),
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
