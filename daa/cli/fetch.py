"""Download weights and data sets, verify them and install them."""

from pathlib import Path

from daa.cli import options
from daa.cli.main import command
from daa.errors import InputError


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "fetch mnist cifar10")
    parser.add_argument("names", nargs="*", metavar="NAME", help="names as printed by --list")
    parser.add_argument("--list", action="store_true", help="print what is installed or missing")
    source = "install a local file or folder instead of a download, for one NAME"
    parser.add_argument("--from", dest="source", metavar="FILE", type=Path, help=source)
    options.add_folders(parser)
    options.add_quiet(parser)
    args = parser.parse_args(arguments)
    from daa.targets import fetch

    if args.list:
        names = fetch.names()
        for name in names:
            parcel = fetch.parcel(name, args.data_dir, args.model_dir)
            state, path = fetch.state(parcel), parcel.weights or parcel.folder
            print(f"{name:{max(map(len, names))}}  {state:10}  {path}")
        return
    if not args.names:
        raise InputError("fetch: no names; `daa fetch --list` prints them")
    if args.source and len(args.names) != 1:
        raise InputError(f"--from: needs exactly one NAME, got {len(args.names)}")
    for parcel in [fetch.parcel(name, args.data_dir, args.model_dir) for name in args.names]:
        try:
            fetch.fetch(parcel, args.source, progress=not args.quiet)
        except fetch.NoDownload as error:
            raise InputError(f"{error}; or run: daa fetch {parcel.name} --from FILE") from error
        options.say(args.quiet)(f"{parcel.name}: in {parcel.weights or parcel.folder}")
