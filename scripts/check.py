from daa.cli.check import main

raise SystemExit(main())
