"""Estimators judged on stored games: exact tables of worths, small enough to lie here, so that it takes minutes."""
