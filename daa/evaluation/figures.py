"""The two figures of an evaluation: accuracy against gradients, and the worst images."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Report
from daa.reports import style
from daa.reports.wording import label
from daa.target import Dataset, Target, predict

# Number of images.
_SHOWN = 6


def accuracy(
    report: Report, interval: tuple[float, float], config: AttackConfig, title: str
) -> Figure:
    """Accuracy under the attack against gradients per image, with the final confidence interval."""
    spent = np.concatenate([[0.0], report.gradients_after])
    reached = 100 * np.concatenate([[report.clean_accuracy], report.robust_accuracy])
    low, high = (100 * end for end in interval)
    soft, colour = style.light("soft"), style.light(style.colour_of(config.method))
    with style.look():
        # Narrow, so that the text is legible at the width of a phone.
        figure = Figure(figsize=(4.4, 3.4), layout="constrained")
        axis = figure.subplots()
        axis.axhspan(low, high, color=colour, alpha=0.15, linewidth=0, label="95 % interval")
        axis.step(spent, reached, where="post", color=colour, linewidth=2, label=label(config))
        axis.axhline(reached[0], color=soft, linestyle=":", label="clean accuracy")
        cost = "gradients per image\n(a forward pass alone counts half)"
        axis.set(xlabel=cost, xlim=(0, max(spent[-1], 1)))
        axis.set(ylabel="accuracy (%)", ylim=(0, min(100, 1.1 * reached[0] + 5)))
        axis.grid()
        axis.legend()
        axis.set_title(fill(title, 44), fontsize=10, parse_math=False)
    return figure


def worst(target: Target, data: Dataset, report: Report) -> Figure | None:
    """The most confidently misclassified adversarial images; None without any, or for vectors.

    Images that are misclassified without an attack are left out.
    """
    broken = np.flatnonzero((report.margin <= 0) & (report.natural > 0))
    if not len(broken) or data.x.ndim != 4 or data.x.shape[-1] not in (1, 3, 4):
        return None
    chosen = broken[np.argsort(report.margin[broken], kind="stable")[:_SHOWN]]
    natural, adv = data.x[chosen], report.adv[chosen]
    taken_for = predict(target, adv).argmax(axis=1)
    change = adv - natural
    change = 0.5 + change / (2 * np.abs(change).max())
    rows = [("clean", natural), ("adversarial", adv), ("change", np.clip(change, 0, 1))]
    with style.look():
        figure = Figure(figsize=(0.85 * len(chosen) + 0.5, 3.7), layout="constrained")
        axes = figure.subplots(3, len(chosen), squeeze=False)
        for line, (name, images) in zip(axes, rows, strict=True):
            for axis, image in zip(line, images, strict=True):
                axis.imshow(image, "gray", vmin=0, vmax=1, interpolation="none")
                axis.set(xticks=[], yticks=[], frame_on=False)
            line[0].set_ylabel(name, fontsize=9)
        for k, image in enumerate(chosen):
            label, output = data.label(data.y[image]), data.label(taken_for[k])
            axes[0, k].set_title(f"image {image}\nlabel {label}", fontsize=8, parse_math=False)
            axes[1, k].set_title(f"output {output}", fontsize=8, parse_math=False)
    return figure
