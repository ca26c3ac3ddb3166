"""Measure what each part of Adaptive DAA brings."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

from pathlib import Path

from daa import targets


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "ablation --target locuslab/fast_pgd_mnist --images 3000")
    parser.add_argument("--target", required=True, help="folder/name")
    parser.add_argument("--images", type=console.positive, default=3000, help="the first IMAGES")
    parser.add_argument("--only", nargs="+", metavar="CHANGE", help="default: all")
    parser.add_argument("--out", type=Path, default=Path("results/ablation.json"))
    console.add_folders(parser)
    args = parser.parse_args(arguments)

    console.start_tensorflow()
    from benchmarks import ablation
    from daa.runs import device, provenance
    from daa.runs.records import write_json

    target = targets.load_target(args.target, model_dir=args.model_dir)
    data = targets.load_dataset(args.target, data_dir=args.data_dir, images=args.images)
    rows = ablation.measure(
        target,
        data,
        targets.row(args.target).eps,
        args.only or list(ablation.CHANGES),
        on_row=lambda row: print(*row.values(), sep="  ", flush=True),
    )
    content = {
        "target": args.target,
        "weights": target.provenance,
        "weights_sha256": target.weights_sha256,
        "images": len(data),
        "seeds": [0, 1, 2],
        "device": device.name(),
        "git_commit": provenance.git_commit(),
        "rows": rows,
    }
    write_json(args.out, content)
    print(args.out)
