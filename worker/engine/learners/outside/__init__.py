"""Other libraries' estimators and models behind the engine's interface: the one folder of the engine that imports any.

They are imported inside functions, so that a process which needs none of them loads none of them, and what they give
back is arrays: nothing of theirs is pickled, stored or sent.
"""
