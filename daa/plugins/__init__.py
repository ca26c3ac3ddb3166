"""This project's attacks inside other libraries, and AutoAttack on this project's targets.

Each module needs one optional package, and says so in one line where that is missing.
"""
