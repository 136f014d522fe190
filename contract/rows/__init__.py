"""What files say: readings, columns, findings."""
