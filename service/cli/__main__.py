"""``python -m service.cli``: what the command ``pneumonia-xray`` runs."""

from service.cli import main

main()
