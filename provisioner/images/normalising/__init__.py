"""One image id whoever built it: what a build left, told again without the traces of when and where."""
