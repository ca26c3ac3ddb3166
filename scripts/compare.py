from daa.cli.compare import main

raise SystemExit(main())
