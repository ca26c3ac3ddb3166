"""Figures from result records."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator
from tables import LOSSES, label, source

from daa.results import write_atomically

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {
    "fgsm": "#999999",
    "rand_fgsm": "#E69F00",
    "pgd": "#000000",
    "mi_fgsm": "#F0E442",
    "momentum": "#56B4E9",
    "blob": "#D55E00",
    "dgf": "#009E73",
}


def restarts(records: list[dict[str, Any]], path: Path) -> None:
    """Worst-case accuracy after each restart, one panel per loss, as PNG.

    Args:
        records: of one experiment.
        path: of the picture; written atomically.
    """
    losses = [loss for loss in LOSSES if any(r["attack"]["loss"] == loss for r in records)]
    figure, axes = plt.subplots(
        1, len(losses), figsize=(5.2 * len(losses), 4.2), sharey=True, squeeze=False
    )
    for axis, loss in zip(axes[0], losses, strict=True):
        for record in (r for r in records if r["attack"]["loss"] == loss):
            accuracy = [100 * a for a in record["robust_accuracy"]]
            method = record["attack"]["method"]
            axis.plot(
                range(1, len(accuracy) + 1),
                accuracy,
                marker="o",
                markersize=4,
                color=COLOURS[method],
                label=label(record["attack"]),
            )
        axis.set_title(LOSSES[loss])
        axis.set_xlabel("restarts")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("worst-case accuracy (%)")
    axes[0][-1].legend(frameon=False)
    figure.suptitle(records[0]["title"], fontsize=11)
    figure.text(0.5, 0.01, source(records), ha="center", fontsize=6.5, color="#555555")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    write_atomically(path, buffer.getvalue())
