"""Bases, builds, archives and shipping of images."""
