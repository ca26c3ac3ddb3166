"""Download weights and data sets, verify them and install them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daa.cli import options
from daa.cli.main import command
from daa.errors import InputError


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "fetch mnist cifar10")
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of --list")
    parser.add_argument("--list", action="store_true", help="print what is installed or missing")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        type=Path,
        help="install a local file or folder instead of a download, for one NAME",
    )
    options.add_folders(parser)
    options.add_quiet(parser)
    args = parser.parse_args(arguments)
    from daa.targets import download

    if args.list:
        width = max(map(len, download.names()))
        for parcel, state in download.states(args.data_dir, args.model_dir):
            print(f"{parcel.name:{width}}  {state:10}  {parcel.found or parcel.folder}")
        return
    if not args.names:
        raise InputError("fetch: no names; `daa fetch --list` prints them")
    if args.source and len(args.names) != 1:
        raise InputError(f"--from: needs exactly one NAME, got {len(args.names)}")
    for parcel in [download.parcel(name, args.data_dir, args.model_dir) for name in args.names]:
        try:
            download.fetch(parcel, args.source, None if args.quiet else progress_bars())
        except download.NoDownload as error:
            raise InputError(f"{error}; or run: daa fetch {parcel.name} --from FILE") from error
        options.say(args.quiet)(f"{parcel.name}: in {parcel.found or parcel.folder}")


def progress_bars() -> Any:
    """A callback that shows one progress bar per file."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def count(file: str, added: int, total: int | None) -> None:
        if file not in bars:
            bars[file] = tqdm(unit="B", unit_scale=True, desc=file, total=total)
        bars[file].update(added)
        if bars[file].n == total:
            bars[file].close()

    return count
