"""Runs PGD of ART and DAA of this project inside ART, on the same network.

It needs adversarial-robustness-toolbox, runs in a minute and downloads nothing:
python examples/art_attack.py
"""

import keras
import numpy as np
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import TensorFlowV2Classifier

import locuslab
from daa.plugins.art import DAA


def main() -> None:
    target = locuslab.load_target("own_mnist")
    data = locuslab.load_dataset("test", images=100)
    classifier = TensorFlowV2Classifier(
        model=lambda x, training=False: target(x),
        nb_classes=10,
        input_shape=(28, 28, 1),
        loss_object=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1),
    )
    pgd = ProjectedGradientDescent(
        classifier, eps=0.3, eps_step=0.01, max_iter=50, num_random_init=1, verbose=False
    )
    for attack in (
        pgd,
        DAA(classifier, "blob", eps=0.3, options={"steps": 50, "batch_size": 100}),
        DAA(classifier, "adaptive", eps=0.3, options={"budget": 50}),
    ):
        adv = attack.generate(data.x, data.y)
        accuracy = (classifier.predict(adv).argmax(axis=1) == data.y).mean()
        name = getattr(attack, "method", "pgd of ART")
        print(f"{name:10} accuracy {accuracy:.2f}, |adv - x| {np.abs(adv - data.x).max():.3f}")


if __name__ == "__main__":
    main()
