"""`cherish verify`: results, certificates and proofs."""
