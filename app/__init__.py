"""The HTTP service of Cherish: people, data, jobs and money. Never loads torch."""

from contract.arithmetic import one_thread

one_thread()
