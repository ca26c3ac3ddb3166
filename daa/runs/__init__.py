"""From the YAML file of an experiment to its records."""
