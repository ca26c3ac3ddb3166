"""This project's attacks inside other libraries, and AutoAttack on this project's targets.

Each module needs an optional package; its import fails with an `InputError` without the package.
"""
