"""What learns: models with their settings, methods of unlearning, what each costs, and what packages add."""
