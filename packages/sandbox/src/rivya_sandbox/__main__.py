"""``python -m rivya_sandbox``: the command `rivya-sandbox`."""

from rivya_sandbox.cli import main

if __name__ == "__main__":
    main()
