"""Cherish on a provider's machine: registers a table that stays there, and answers jobs with sums over its rows.

It opens connections and accepts none. Nothing here imports the service; what leaves goes through ``journal``.
"""

from contract.arithmetic import fix_arithmetic

fix_arithmetic()
