"""``python -m rivya_cut``: the command `rivya-cut`."""

from rivya_cut.cli import main

if __name__ == "__main__":
    main()
