"""Runs the benchmark and keeps what was measured in a JSON file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import growth, measure, report
from benchmarks.measure import Options
from daa.runs import device, provenance, records

MEASUREMENTS: dict[str, Callable[[Options], dict[str, Any]]] = {
    "steps": measure.steps,
    "parts": measure.parts,
    "peers": measure.peers,
    "limit": measure.limit,
    "growth": lambda _: growth.growth(),
}


def benchmark(out: Path, options: Options, only: Sequence[str] | None = None) -> str:
    """Measures, and writes the JSON file, the tables and the figure.

    Args:
        out: the JSON file; tables and figure lie beside it.
        options: how to measure.
        only: parts to be measured; the file keeps its other parts. None measures everything anew.

    Returns:
        The tables.

    Raises:
        InputError: the file is no benchmark's, or there are files of the tables' and the figure's
            names without it; they are never overwritten.
    """
    kept = report.kept(out)
    about = {
        "device": device.name(),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
    }
    content = kept if only else {}
    measured = content.setdefault("measured", {})
    for part in only or MEASUREMENTS:
        # A network or axis measured anew replaces what is there of it; the others stay.
        found = MEASUREMENTS[part](options)
        content[part] = content.get(part, {}) | found
        measured[part] = measured.get(part, {}) | dict.fromkeys(found, about)
        records.write_json(out, {"schema": records.SCHEMA, **content})
    return report.write(content, out)
