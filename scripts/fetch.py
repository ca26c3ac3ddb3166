from daa.cli.fetch import main

raise SystemExit(main())
