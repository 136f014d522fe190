"""``python -m app.cli``: the same as the ``cherish`` script."""

from app.cli import main

if __name__ == "__main__":
    main()
