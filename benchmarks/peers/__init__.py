"""The same game through pyDVL and shapiq. ``run_peer`` runs in their own environment and imports nothing of ours."""
