"""Pages of what a buyer does before it posts a job."""
