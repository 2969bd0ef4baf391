"""``python -m spacetime_transports.cli`` is ``spacetime-py``."""

from . import main

main()
