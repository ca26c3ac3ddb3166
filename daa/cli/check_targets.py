"""Check every available target: accuracy, gradients, logits and images."""

from daa.cli import options
from daa.cli.main import command
from daa.errors import InputError


@command
def main(arguments: list[str] | None = None) -> int:
    parser = options.parser(__doc__, "check_targets --images 1000")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all available")
    options.add_folders(parser)
    options.add_targets(parser)
    parser.add_argument("--images", type=options.positive, help="use the first IMAGES test images")
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    from daa import targets
    from daa.evaluation import target_check

    findings, missing = [], []
    for reference in args.targets or targets.every_target():
        try:
            target = targets.load_target(reference, model_dir=args.model_dir)
            data = targets.load_dataset(reference, "test", args.data_dir, args.images)
        except InputError as error:
            if args.targets:
                raise
            missing.append(f"{reference}: not available ({error})")
            continue
        published = targets.row(reference).clean
        findings.append(target_check.examine(target, data, published, whole=args.images is None))
    print(*missing, sep="\n", end="\n\n" if missing else "")
    print(target_check.table(findings))
    for finding in findings:
        for miss in finding.misses:
            print(f"{finding.target}: {miss}")
    return 1 if any(finding.misses for finding in findings) else 0
