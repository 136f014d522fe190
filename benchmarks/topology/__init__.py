"""A deployment that has been in use for long, and one of many hosts: what lists, quotes, pages and proofs then take."""
