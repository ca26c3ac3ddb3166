"""MadryLab's MNIST challenge network."""
