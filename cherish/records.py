"""What all of the client's models are: typed, tolerant of what a newer service adds, and tables where they hold
rows."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from cherish import notebook

# the fields of answers that are their rows
_LISTS = ("items", "players", "payouts", "ranked", "balances", "askers")


class Record(BaseModel):
    """A body or an answer. Fields that it does not know are kept; what was not set is not sent."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())

    def plain(self) -> dict[str, Any]:
        """What was set, as JSON's types under the API's names."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def records(self) -> Sequence[dict[str, Any]]:
        """What it lists, a row each (items of a page, players of values, payouts, datasets that are ranked); else
        itself, one row."""
        for name in _LISTS:
            held = getattr(self, name, None)
            if isinstance(held, list) and all(isinstance(each, Record) for each in held):
                return [each.model_dump() for each in held]
        return [self.model_dump()]

    def to_pandas(self) -> Any:
        """``records`` as a pandas DataFrame; raises ImportError where pandas is not installed."""
        import pandas

        return pandas.DataFrame(list(self.records()))

    def _repr_html_(self) -> str:
        return notebook.shown(type(self).__name__, self.records())
