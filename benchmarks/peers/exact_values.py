"""shapiq's exact Shapley values of games that are written down: ``python -m benchmarks.peers.exact_values GAMES OUT``.

Runs in the peers' environment and imports nothing of the product. The file holds coalitions bool[2^n, n] and worths
[games, 2^n] in their order; what is written are values [games, n].
"""

import sys

import numpy as np
import shapiq
from numpy.typing import NDArray


def main() -> None:
    source, out = sys.argv[1:3]
    with np.load(source, allow_pickle=False) as arrays:
        coalitions, worths = arrays["coalitions"], arrays["worths"]
    place = {row.tobytes(): at for at, row in enumerate(coalitions.astype(bool))}
    n = coalitions.shape[1]
    found = []
    for game in worths:

        def worth(asked: NDArray[np.bool_], game: NDArray[np.float64] = game) -> NDArray[np.float64]:
            rows = np.atleast_2d(np.asarray(asked, dtype=bool))
            return np.array([game[place[np.ascontiguousarray(row).tobytes()]] for row in rows])

        found.append(shapiq.ExactComputer(worth, n_players=n)("SV", 1).get_n_order_values(1))
    np.save(out, np.array(found))


if __name__ == "__main__":
    main()
