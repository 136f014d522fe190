"""What an agent opens of its rows: the totals of all rows' terms under a tree of sums, then the rows that are drawn.

An opened row leaves whole, with its salt. How many ever do is the owner's to say (``open_rows``); none, by default.
"""

from dataclasses import dataclass

from agent.errors import NotAllowed
from agent.policy import Policy
from agent.state import State
from agent.tables import Table
from contract.agents import Array
from contract.merkle import MerkleTree
from contract.openings import (
    DrawnRows,
    OpenedRow,
    OpeningQuestion,
    PathNode,
    TotalsAnswer,
    position_of,
    whole,
)
from contract.proof.row_commitment import row_bytes, salt_of
from contract.proof.sum_tree import SumTree
from contract.rows.asked import Encoded
from worker.engine.learners.row_terms import TermWeights
from worker.engine.unlearning.opened_terms import opened_terms


def check(policy: Policy, state: State, question: OpeningQuestion) -> None:
    """Raises NotAllowed where rows would be opened beyond what the owner allows, or for what was never answered."""
    if not policy.open_rows:
        raise NotAllowed("the owner's policy opens no rows (open_rows)")
    if policy.noise is not None:
        raise NotAllowed("noise was added to the sums, so that rows do not bear them out")
    if question.toward and (question.about.asks == "objective" or len(question.toward) != question.about.term_width):
        raise NotAllowed("the direction of the question is none of its columns")
    if question.about.game not in state.jobs:
        raise NotAllowed("the question is about an answer that this agent never gave")
    # asked again for the same rows, nothing more leaves: which they are is looked at once the rows are found
    if not question.again:
        _check_more(policy, state, question, question.opens)


def check_again(policy: Policy, state: State, question: OpeningQuestion, answer: TotalsAnswer | DrawnRows) -> None:
    """Raises NotAllowed where a question that is asked once more opens other rows than before, and too many."""
    if question.again and isinstance(answer, DrawnRows):
        before = state.places.get(question.about.game, ())
        _check_more(policy, state, question, len({row.place for row in answer.rows}.difference(before)))


def _check_more(policy: Policy, state: State, question: OpeningQuestion, more: int) -> None:
    shown = state.opened.get(question.about.game, 0)
    if shown + more > policy.open_rows:
        raise NotAllowed(
            f"the owner's policy opens {policy.open_rows} rows for a job; {shown} are opened, and "
            f"{more} more are asked for"
        )


@dataclass(frozen=True)
class TableOpener:
    """A table with the secret of its salts, and its rows as the question encodes them."""

    table: Table
    secret: bytes
    encoded: Encoded

    def answer(self, question: OpeningQuestion, models: Array) -> TotalsAnswer | DrawnRows:
        """Totals, or rows; raises NotAllowed where rows are asked for under another tree than that of these rows."""
        spelled = [row_bytes(cells) for cells in self.table.cells()]
        order = sorted(range(len(spelled)), key=spelled.__getitem__)
        weights = TermWeights.of(question)
        terms = opened_terms(question.about, self.encoded, models, weights)
        tree = SumTree(whole(terms[order]))
        if not question.root:
            plus, minus = tree.root.amount
            return TotalsAnswer(question=question.digest, root=tree.root.hash, plus=plus, minus=minus)
        if question.root != tree.root.hash:
            raise NotAllowed("rows are asked for under another root than this agent's")
        salted = [salt_of(self.secret, place) + spelled[row] for place, row in enumerate(order)]
        size = tree.root.amount.size
        places = [tree.place_of(position_of(mark, size)) for mark in question.marks]
        opened = [*places, *question.places]
        if any(not 0 <= place < len(order) for place in opened):
            raise NotAllowed("a row is asked for at a place where there is none")
        committed = MerkleTree(salted)
        rows = tuple(_opened(committed, salted[place], tree, place) for place in opened)
        return DrawnRows(question=question.digest, rows=rows)


def _opened(committed: MerkleTree, leaf: bytes, tree: SumTree, place: int) -> OpenedRow:
    plus, minus = tree.amount(place)
    return OpenedRow(
        place=place,
        salt=leaf[:32].hex(),
        row=leaf[32:].decode(),
        path=committed.path(place),
        plus=plus,
        minus=minus,
        terms_path=tuple(
            PathNode(hash=node.hash, plus=node.amount.plus, minus=node.amount.minus) for node in tree.path(place)
        ),
    )
