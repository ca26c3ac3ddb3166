"""The command line: one module per command; `main` lists them and reports errors."""
