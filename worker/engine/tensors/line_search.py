"""The numbers of the line search and the memory of L-BFGS, for its form in torch and its form in numpy."""

MEMORY = 10
ARMIJO = 1e-4
