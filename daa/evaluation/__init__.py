"""The evaluation of any classifier, with checks of the number."""
