"""``python -m omnichat_async``."""

from omnichat_async.cli import main

if __name__ == "__main__":
    main()
