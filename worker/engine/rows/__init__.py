"""What each row of a player adds: the player's value told apart, in one pass after a valuation."""
