"""Downloads weights and data sets, verifies them and puts them in their place."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

import argparse
from pathlib import Path

from daa.errors import InputError
from daa.targets import fetch


def main(arguments: list[str] | None = None) -> int | None:
    args = parse(arguments)
    if args.list:
        show(args)
        return None
    if not args.names:
        raise InputError("fetch: expected names, or --list; got none")
    if args.given and len(args.names) != 1:
        raise InputError(f"--from: expected one name with it, got {len(args.names)}")
    for parcel in [fetch.parcel(name, args.data_dir, args.model_dir) for name in args.names]:
        try:
            fetch.fetch(parcel, args.given, progress=not args.quiet)
        except fetch.NoDownload as error:
            raise InputError(f"{error}; or run: daa fetch {parcel.name} --from FILE") from error
        console.say(args.quiet)(f"{parcel.name}: in {parcel.weights or parcel.folder}")
    return None


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = console.parser(__doc__, "fetch mnist cifar10")
    parser.add_argument("names", nargs="*", metavar="NAME", help="as --list shows them")
    parser.add_argument("--list", action="store_true", help="what is there, missing, corrupted")
    parser.add_argument(
        "--from",
        dest="given",
        metavar="FILE",
        type=Path,
        help="a file or folder that is here, for one NAME",
    )
    console.add_folders(parser)
    console.add_quiet(parser)
    return parser.parse_args(arguments)


def show(args: argparse.Namespace) -> None:
    """Prints which files are there, missing, incomplete or corrupted."""
    names = fetch.names()
    for name in names:
        parcel = fetch.parcel(name, args.data_dir, args.model_dir)
        state = fetch.state(parcel)
        print(f"{name:{max(map(len, names))}}  {state:10}  {parcel.weights or parcel.folder}")
