"""`python -m lowbit`: the command line."""

from __future__ import annotations

import sys

from lowbit.command import main

if __name__ == "__main__":
    sys.exit(main())
