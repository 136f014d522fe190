"""Tables at row level: finding flipped labels by value, and what removing rows of low or high value does."""
