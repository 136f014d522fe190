"""The HTTP service of Cherish: people, data, jobs and money. Never loads torch."""

from contract.arithmetic import fix_arithmetic

fix_arithmetic()
