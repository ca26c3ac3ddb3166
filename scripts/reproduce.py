from daa.cli.reproduce import main

raise SystemExit(main())
