"""Tables from result records."""

from __future__ import annotations

from typing import Any

METHODS = {
    "fgsm": "FGSM",
    "rand_fgsm": "Rand+FGSM",
    "pgd": "PGD",
    "mi_fgsm": "MI-FGSM",
    "momentum": "Momentum PGD",
    "blob": "DAA-BLOB",
    "dgf": "DAA-DGF",
}
LOSSES = {"xent": "cross-entropy", "cw": "CW"}


def markdown(records: list[dict[str, Any]]) -> str:
    """The comparison of an experiment's runs.

    Args:
        records: of one experiment, in the order of its rows.

    Returns:
        A title, one table row per run with accuracies in percent, and where the numbers come from.
    """
    papers = any(record["paper_percent"] is not None for record in records)
    header = ["attack", "loss", "first run", "worst case"]
    header += ["paper", "difference"] if papers else []
    header += ["gradients per image", "seconds"]
    rows = [header, ["---", "---"] + ["---:"] * (len(header) - 2)]
    rows += [_row(record, papers) for record in records]
    title = f"# {records[0]['title']}"
    return "\n".join([title, "", *aligned(rows), "", source(records)]) + "\n"


def _row(record: dict[str, Any], papers: bool) -> list[str]:
    attack = record["attack"]
    first, worst = record["accuracy_per_restart"][0], record["robust_accuracy"][-1]
    row = [label(attack), LOSSES[attack["loss"]], f"{100 * first:.2f}"]
    row.append(f"{100 * worst:.2f}")
    paper = record["paper_percent"]
    if papers and paper is None:
        row += ["", ""]
    elif papers:
        row += [f"{paper:.2f}", f"{100 * worst - paper:+.2f}"]
    return [*row, f"{record['gradients_per_image']:,}", f"{record['seconds']:.0f}"]


def label(attack: dict[str, Any]) -> str:
    """The attack's name, with the options that change what it may do."""
    options = []
    if attack["method"] == "rand_fgsm" and attack["rand_fgsm"] == "tramer":
        options.append("Tramer et al.")
    if attack["targeted"]:
        options.append(f"targeted: {attack['targeted'].replace('_', ' ')}")
    if not attack["clip_range"]:
        options.append("not clipped to [0, 1]")
    return METHODS[attack["method"]] + (f" ({', '.join(options)})" if options else "")


def aligned(rows: list[list[str]]) -> list[str]:
    """Markdown lines with cells of one width per column; numbers stand right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [rule.endswith(":") for rule in rows[1]]
    return [
        f"| {' | '.join(_pad(*cell) for cell in zip(row, widths, right, strict=True))} |"
        for row in rows
    ]


def _pad(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def source(records: list[dict[str, Any]]) -> str:
    """What a number of the table was computed on, in one sentence."""
    record = records[0]
    restarts = sorted({r["restarts"] for r in records})
    return (
        f"Accuracy in % (lower is a stronger attack) of {record['target']} "
        f"({record['weights']} weights), clean {100 * record['clean_accuracy']:.2f}; "
        f"{record['data']}, {record['images']:,} images, "
        f"{' or '.join(str(n) for n in restarts)} restart{'s' if restarts[-1] > 1 else ''}, "
        f"seed {record['seed']}, {record['device']}."
    )
