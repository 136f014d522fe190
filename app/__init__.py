"""The HTTP service of Cherish: people, data, jobs and money. Never loads torch."""
