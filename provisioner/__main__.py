"""Lets `python -m provisioner` be the command line."""

from provisioner.cli.app import main

if __name__ == "__main__":
    main()
