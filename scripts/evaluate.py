from daa.cli.evaluate import main

raise SystemExit(main())
