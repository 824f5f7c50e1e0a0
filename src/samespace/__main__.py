"""`python -m samespace` is the command `samespace`."""

from samespace.serve.cli import main

if __name__ == "__main__":
    main()
