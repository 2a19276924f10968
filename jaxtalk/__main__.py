"""`python -m jaxtalk` is the command `jaxtalk`."""

from jaxtalk.cli import main

main()
