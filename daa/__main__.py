"""`python -m daa NAME` runs the command line."""

from daa.cli.main import main

raise SystemExit(main())
