import sys

from daa.cli.main import main

raise SystemExit(main(["ablation", *sys.argv[1:]]))
