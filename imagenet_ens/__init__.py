"""Adversarially trained Inception-ResNet-v2 on ImageNet."""

from functools import partial
from pathlib import Path

from daa.targets import DatasetRow, Family, TargetRow, archive
from imagenet_ens.images import imagenet
from imagenet_ens.model import MODEL

_TENSORFLOW = "http://download.tensorflow.org/models"
_original = partial(TargetRow, model=MODEL, provenance="original", eps=2 / 255)

FAMILY = Family(
    folder=Path(__file__).parent,
    dataset=DatasetRow(
        "imagenet",
        lambda folder, _, images: imagenet(folder, images),
        folder="imagenet",
        splits=("test",),
    ),
    targets={
        "ens_adv": _original(
            "ensemble adversarially trained (Tramer et al. 2018), the paper's target",
            source=archive(f"{_TENSORFLOW}/ens_adv_inception_resnet_v2_2017_08_18.tar.gz"),
        ),
        "adv": _original(
            "adversarially trained (Kurakin et al. 2017)",
            source=archive(f"{_TENSORFLOW}/adv_inception_resnet_v2_2017_12_18.tar.gz"),
        ),
    },
)
load_target = FAMILY.load_target
load_dataset = FAMILY.load_dataset
