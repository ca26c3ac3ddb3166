"""The faults that tests/mutate.py plants.

Each list holds (file, tests, faults), where tests are files in tests/ and pytest options, and each
fault is (old text, new text), or (old text, new text, why no test can notice it).
"""

LISTS = ("attack", "methods", "targets", "runs", "reports")
