"""This machine: the user's files and environment."""
