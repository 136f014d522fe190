"""What comes of a job: answers, values, shares, models."""
