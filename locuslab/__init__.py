"""MNIST networks of two published defences, provable and fast adversarial training."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from daa.targets import DATASETS, Family, Published, Source, TargetRow
from locuslab.model import MODEL, OWN

_FAST = "https://github.com/locuslab/fast_adversarial/raw/master"
_CONVEX = "https://github.com/locuslab/convex_adversarial/raw"
# Commit of the first release.
_FIRST_RELEASE = "c5d17a6e9c0616ec4c71b851862e1d902f994c78"


def _pth(name: str, address: str, published: str) -> Source:
    return Source({f"{name}.pth": address}, {f"{name}.pth": published})


_third_party = partial(TargetRow, model=MODEL, provenance="third-party")

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
        "fast_pgd_mnist": _third_party(
            "trained against PGD at eps 0.3 (Wong, Rice and Kolter 2020)",
            eps=0.3,
            source=_pth(
                "fast_pgd_mnist",
                f"{_FAST}/MNIST/models/pgd_madry.pth",
                "877b74b1d2bf22a2ea958f7d8c892c02710e7c84627d14b44b1c67046fcd5a79",
            ),
        ),
        "wk_mnist": _third_party(
            "provably robust at eps 0.1 (Wong and Kolter 2018)",
            eps=0.1,
            clean=Published(0.982, "Wong and Kolter 2018, error 1.8"),
            source=_pth(
                "wk_mnist",
                f"{_CONVEX}/master/models/mnist.pth",
                "95014ab0c04c73f48b3be0cb7acc42aff60ce4420c6c43bec25e9a1447279e08",
            ),
        ),
        "wk17a_mnist": _third_party(
            "provably robust at eps 0.1, first release; its exact robust accuracy is known",
            eps=0.1,
            clean=Published(0.9811, "MIPVerify by Tjeng, test of its weights"),
            robust=Published(0.9562, "Tjeng, Xiao and Tedrake 2019, by a complete verifier"),
            source=_pth(
                "wk17a_mnist",
                f"{_CONVEX}/{_FIRST_RELEASE}/models/mnist.pth",
                "665cce40af979286eabde7ba405af0a3a2575bbe6abbcaddc2c5e6f58621efc3",
            ),
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
