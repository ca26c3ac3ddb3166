from daa.cli.train import main

raise SystemExit(main())
