"""`python -m dpo_studio`: the command line."""

from dpo_studio.cli import main

if __name__ == "__main__":
    main()
