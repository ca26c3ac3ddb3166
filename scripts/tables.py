"""Tables from result records: python scripts/tables.py [FOLDER ...]."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cli
from records import LOSSES, PARTICLES, Collected, baseline, collect, folders, label, loss, source

from daa import results, stats


def cells(collected: Collected) -> list[dict[str, str]]:
    """One mapping of column to text per row of the table; missing rows say so."""
    records = collected.records
    columns = [("attack", lambda r: label(r["attack"])), ("loss", lambda r: LOSSES[loss(r)])]
    attacks = [record["attack"] for record in [*records, *collected.missing]]
    for name, value in _varied(attacks).items():
        columns.append((name, lambda r, value=value: value(r["attack"])))
    rows = []
    for record in records:
        row = {name: value(record) for name, value in columns}
        row |= _numbers(record, records)
        rows.append(row)
    for absent in collected.missing:
        rows.append({**{name: value(absent) for name, value in columns}, "worst case": "missing"})
    if collected.merged_paper is not None and not collected.missing:
        rows.append(_merged(collected))
    if collected.certified is not None:
        floor = f"{collected.certified:.2f}"
        rows.append({"attack": "certified: no attack gets below", "worst case": floor})
    used = [name for name in _ORDER if any(row.get(name) for row in rows)]
    return [{name: row.get(name, "") for name in used} for row in rows]


# Settings that get a column where rows of one method and loss differ in them; all but the last are
# those of the particle methods.
_SETTINGS = {
    "c": ("c", "{:.4g}".format),
    "batch_size": ("batch", str),
    "steps_per_shuffle": ("steps per shuffle", str),
    "random_start": ("random start", lambda start: "yes" if start else "no"),
}


def _varied(attacks: list[dict[str, Any]]) -> dict[str, Callable[[dict[str, Any]], str]]:
    """Columns for the settings in which the rows differ."""
    columns = {}
    if len({attack["eps"] for attack in attacks}) > 1:
        columns["eps"] = lambda attack: _fraction(attack["eps"])
    for setting, (name, text) in _SETTINGS.items():
        groups: dict[tuple, set] = {}
        for attack in attacks:
            groups.setdefault((attack["method"], attack["loss"]), set()).add(attack[setting])
        if any(len(values) > 1 for values in groups.values()):
            columns[name] = lambda attack, s=setting, t=text: (
                t(attack[s]) if s == "random_start" or attack["method"] in PARTICLES else ""
            )
    return columns


def _fraction(eps: float) -> str:
    """As a decimal where that is short, else in pixel values, as 8/255."""
    decimal, pixels = f"{eps:.4g}", round(255 * eps)
    if float(decimal) != eps and pixels / 255 == eps:
        return f"{pixels}/255"
    return decimal


_ORDER = (
    "attack",
    "loss",
    "eps",
    *(name for name, _ in _SETTINGS.values()),
    "first run",
    "worst case",
    "95 % interval",
    "top-5",
    "paper",
    "difference",
    "paper top-5",
    "p against PGD",
    "images",
    "restarts",
    "gradients per image",
    "seconds",
)
TEXT = ("attack", "loss")


def _numbers(record: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, str]:
    worst = record["robust_accuracy"][-1]
    row = {
        "first run": f"{100 * record['accuracy_per_restart'][0]:.2f}",
        "worst case": f"{100 * worst:.2f}",
        "95 % interval": _interval(len(record["broken"]), record["images"]),
        "images": f"{record['images']:,}",
        "restarts": str(record["restarts"]),
        "gradients per image": f"{record['gradients_per_image']:,}",
        "seconds": f"{record['seconds']:,.0f}",
    }
    paper = record["paper_percent"]
    if paper is not None:
        row["paper"] = f"{paper:.2f}"
        if _papers_own(record):
            row["difference"] = f"{100 * worst - paper:+.2f}"
    if "top5_accuracy" in record:
        row["top-5"] = f"{100 * record['top5_accuracy']:.2f}"
        if record["paper_top5_percent"] is not None:
            row["paper top-5"] = f"{record['paper_top5_percent']:.2f}"
    pgd = baseline(record, records)
    if pgd is not None:
        own, other = set(record["broken"]), set(pgd["broken"])
        row["p against PGD"] = f"{stats.mcnemar(len(own - other), len(other - own)):.2g}"
    return row


def _papers_own(record: dict[str, Any]) -> bool:
    """Whether the paper's value is for this very network, so that a difference means something."""
    return record["weights"] != "surrogate" and "instead_of" not in record


def _interval(broken: int, images: int) -> str:
    low, high = stats.interval(images - broken, images)
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _merged(collected: Collected) -> dict[str, str]:
    records = collected.records
    broken = set().union(*(record["broken"] for record in records))
    images = records[0]["images"]
    worst = 100 * (1 - len(broken) / images)
    row = {
        "attack": "all runs merged",
        "worst case": f"{worst:.2f}",
        "95 % interval": _interval(len(broken), images),
        "paper": f"{collected.merged_paper:.2f}",
        "images": f"{images:,}",
        "restarts": str(sum(record["restarts"] for record in records)),
        "gradients per image": f"{sum(r['gradients_per_image'] for r in records):,}",
    }
    if _papers_own(records[0]):
        row["difference"] = f"{worst - collected.merged_paper:+.2f}"
    return row


def tests(collected: Collected) -> list[list[str]]:
    """Rows of the papers' t-tests over restarts, PGD against DAA, with a header; or nothing."""
    varied = _varied([record["attack"] for record in collected.records])
    rows = []
    for record in collected.records:
        pgd = baseline(record, collected.records)
        if pgd is None or min(record["restarts"], pgd["restarts"]) < 2:
            continue
        first, second = pgd["accuracy_per_restart"], record["accuracy_per_restart"]
        row = [label(record["attack"]), LOSSES[loss(record)]]
        row += [value(record["attack"]) for value in varied.values()]
        for test in (stats.unpaired, stats.paired):
            if test is stats.paired and len(first) != len(second):
                row += ["", ""]
                continue
            t, p = test(first, second)
            row += [f"{t:.2f}", f"{p:.1e}"] if math.isfinite(t) else ["", ""]
        rows.append(row)
    if not rows:
        return []
    names = ["attack", "loss", *varied]
    header = [*names, "t unpaired", "p unpaired", "t paired", "p paired"]
    return [header, ["---"] * len(names) + ["---:"] * 4, *rows]


def verdict(collected: Collected) -> str:
    """Where DAA's worst case is not below PGD's, as the paper has it; a sentence."""
    pairs = [(r, baseline(r, collected.records)) for r in collected.records]
    pairs = [(r, pgd) for r, pgd in pairs if pgd is not None]
    if not pairs:
        return ""
    above = [r["run"] for r, pgd in pairs if r["robust_accuracy"][-1] >= pgd["robust_accuracy"][-1]]
    if not above:
        return "The paper's ordering holds: every DAA run is below PGD."
    return f"The paper's ordering (DAA below PGD) does not hold here for {', '.join(above)}."


def markdown(collected: Collected) -> str:
    """Title, table, the papers' tests, and where the numbers come from."""
    rows = cells(collected)
    header = list(rows[0])
    rule = ["---" if name in TEXT else "---:" for name in header]
    lines = aligned([header, rule, *(list(row.values()) for row in rows)])
    parts = [f"# {collected.title}", "", *lines, "", source(collected.records)]
    if sentence := verdict(collected):
        parts += ["", sentence]
    if found := tests(collected):
        parts += ["", "Tests of PGD against DAA over the restarts:", "", *aligned(found)]
    return "\n".join(parts) + "\n"


def as_csv(collected: Collected) -> str:
    """The table as comma-separated values."""
    rows = cells(collected)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def latex(collected: Collected) -> str:
    """The table as a LaTeX tabular with booktabs rules."""

    def escape(text: str) -> str:
        return text.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")

    rows = cells(collected)
    header = list(rows[0])
    lines = [
        f"% {collected.title}",
        rf"\begin{{tabular}}{{{''.join('l' if name in TEXT else 'r' for name in header)}}}",
        r"\toprule",
        " & ".join(map(escape, header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(escape, row.values())) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        f"% {source(collected.records)}",
    ]
    return "\n".join(lines) + "\n"


def write(collected: Collected, folder: Path) -> None:
    """Writes table.md, table.csv and table.tex."""
    for name, make in (("table.md", markdown), ("table.csv", as_csv), ("table.tex", latex)):
        results.write_atomically(folder / name, make(collected).encode())


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


def main(arguments: list[str] | None = None) -> None:
    for folder in folders(arguments, "Rebuilds tables from records; runs no model."):
        write(collect(folder), folder)
        print(f"{folder}: table.md, table.csv, table.tex")


if __name__ == "__main__":
    raise SystemExit(cli.run(main))
