"""Build, verify, merge, compare and rank arrays for the leaderboards."""

import argparse
from pathlib import Path

from daa.cli import options
from daa.cli.main import command
from daa.leaderboard import boards, submission


@command
def main(arguments: list[str] | None = None) -> None:
    parser = options.parser(__doc__, "submit build results/quickstart -o attack.npy")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(example: str, text: str) -> argparse.ArgumentParser:
        more = options.example_last(f"submit {example}")
        sub = commands.add_parser(example.split()[0], help=text, description=text, **more)
        options.add_folders(sub)
        return sub

    on = f"--target {boards.TARGETS[0]}"
    build = add("build results/quickstart -o attack.npy", "write an array from records")
    build.add_argument("results", nargs="+", type=Path, metavar="RESULT", help="record or folder")
    verify = add(f"verify attack.npy {on}", "check an array as the challenge does")
    verify.add_argument("array", type=Path)
    verify.add_argument("--pred", type=Path, help="default: pred.npy in the folder of the array")
    merge = add(f"merge a.npy b.npy -o c.npy {on}", "keep the worst version of each image")
    merge.add_argument("arrays", nargs="+", type=Path)
    compare = add(f"compare a.npy b.npy {on}", "list the images that only one array breaks")
    compare.add_argument("arrays", nargs=2, type=Path)
    compare.add_argument("--picture", type=Path, help="default: compare.png next to the first")
    entry = f'{on} --name "My attack" --by "A. Name" --method "20 restarts"'
    board = add(f"board attack.npy {entry}", "print the boards, rank an array, enter it")
    board.add_argument("array", nargs="?", type=Path)
    board.add_argument("--target", choices=[*boards.TARGETS, *(b.target for b in boards.load())])
    board.add_argument("--name", help="name of the attack; enters the array on the living board")
    board.add_argument("--by", help="author of the array")
    board.add_argument("--method", help="description of the attack, in one line")
    board.add_argument("--url", help="https address of a paper, of code or of the array")
    board.add_argument("--board", type=Path, default=boards.FOLDER, help="default: results/board")
    for sub in (build, merge):
        sub.add_argument("-o", "--out", type=Path, required=True, help="the .npy file")
    for sub in (verify, merge, compare):
        sub.add_argument("--target", required=True, help="for example madry_mnist/secret")
        sub.add_argument("--images", type=options.positive, help="use the first IMAGES")
        sub.add_argument("--eps", type=options.radius, help="in [0, 1]; default: the challenge's")
    args = parser.parse_args(arguments)
    options.start_tensorflow()
    folders = {"data_dir": args.data_dir, "model_dir": args.model_dir}
    if args.command == "build":
        print(submission.build(args.results, args.out, **folders))
        return
    if args.command == "board":
        words = {key: getattr(args, key) for key in ("name", "by", "method", "url")}
        print(boards.board(args.array, args.target, words=words, folder=args.board, **folders))
        return
    challenge = submission.load_challenge(args.target, images=args.images, eps=args.eps, **folders)
    if args.command == "verify":
        print(submission.verify(challenge, args.array, args.pred))
    elif args.command == "merge":
        print(submission.merge(challenge, args.arrays, args.out))
    else:
        print(submission.compare(challenge, args.arrays, args.picture))
