"""Pages on a job that has ended, beside its own: questions to it, and its report for others."""
