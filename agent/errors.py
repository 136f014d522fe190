"""What an agent raises on purpose; each names the thing, the rule and the mend."""


class AgentError(Exception):
    """Something is wrong with the owner's files, policy or state."""


class NotAllowed(AgentError):
    """A question asks for more than the owner's policy, or what protects single rows, allows."""
