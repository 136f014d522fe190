"""What a licence grants and what an order asks for: a small clear set of terms. Pure names and sentences.

Whoever publishes a dataset grants ``value``: jobs may compute what its rows are worth. ``model`` lets a job's buyer
have the model that was trained on them, once it is paid for; ``data`` lets it have the rows themselves.
"""

from enum import StrEnum


class Grant(StrEnum):
    """One term. Each holds within the licence's purposes, territories and expiry."""

    VALUE = "value"
    MODEL = "model"
    DATA = "data"


class Approval(StrEnum):
    """How a provider agrees to a job within the licence's terms: beforehand, or to each job by itself."""

    AUTOMATIC = "automatic"
    BY_REQUEST = "by_request"


ABOUT = {
    Grant.VALUE: "its value may be computed in jobs, and every dataset that is published grants that",
    Grant.MODEL: "the buyer of a job gets the model that was trained on it, after settlement, where it is paid",
    Grant.DATA: "the buyer of a job gets the rows themselves, after settlement, where they are paid",
}
# the ODRL 2.2 action that says the same; computing a value has none, and is a term of this market's profile
ODRL_PROFILE = "urn:cherish:terms"
ODRL_ACTIONS = {Grant.VALUE: "cherish:value", Grant.MODEL: "derive", Grant.DATA: "reproduce"}
# operands of this market's profile: when the test set of a job was uploaded, and when the data was
TEST_UPLOADED, DATA_UPLOADED = "cherish:testSetUploaded", "cherish:dataUploaded"
# what an order can ask for beside values
DELIVERED = (Grant.MODEL, Grant.DATA)
