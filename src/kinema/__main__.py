"""`python -m kinema`, which is what `torchrun … -m kinema` starts."""

from kinema.cli.app import main

if __name__ == "__main__":
    main()
