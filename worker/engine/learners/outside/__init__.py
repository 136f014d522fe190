"""Estimators of other libraries behind the engine's interface: the one folder of the engine that imports any.

They are imported inside functions, so that a process which trains none of them loads none of them, and what they give
back is arrays: nothing of theirs is pickled, stored or sent.
"""
