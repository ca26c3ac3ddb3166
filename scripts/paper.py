from daa.cli.paper import main

raise SystemExit(main())
