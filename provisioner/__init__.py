"""Declares server fleets in YAML, deploys them over SSH and proves that every node matches."""

__version__ = "0.1.0"
