"""The whole paper from one command: what is run, in which order, and what was reproduced."""
