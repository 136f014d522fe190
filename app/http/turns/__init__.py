"""Who may work when: queues that are fair, and each caller's share."""
