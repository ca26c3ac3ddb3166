"""From the YAML file of an experiment to records, tables, figures and a page."""
