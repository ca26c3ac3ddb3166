"""Check every target at hand: accuracy, gradients, logits and images."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

from daa import targets
from daa.errors import InputError
from daa.evaluation import target_check as check


def main(arguments: list[str] | None = None) -> int:
    parser = console.parser(__doc__, "check_targets --images 1000")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all at hand")
    console.add_folders(parser)
    console.add_targets(parser)
    parser.add_argument(
        "--images", type=console.positive, help="only the first IMAGES of the test set"
    )
    args = parser.parse_args(arguments)
    console.start_tensorflow()
    findings, absent = [], []
    for reference in args.targets or targets.every_target():
        try:
            target = targets.load_target(reference, model_dir=args.model_dir)
            data = targets.load_dataset(reference, "test", args.data_dir, args.images)
        except InputError as error:
            if args.targets:
                raise
            absent.append(f"{reference}: not at hand ({error})")
            continue
        published = targets.row(reference).clean
        findings.append(check.examine(target, data, published, whole=args.images is None))
    print(*absent, sep="\n", end="\n\n" if absent else "")
    print(check.table(findings))
    for finding in findings:
        for miss in finding.misses:
            print(f"{finding.target}: {miss}")
    return 1 if any(finding.misses for finding in findings) else 0
