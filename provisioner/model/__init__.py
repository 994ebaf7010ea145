"""Frozen values: the nouns that travel between the rooms."""
