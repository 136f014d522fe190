"""How bytes of datasets arrive: in one piece, in parts that are resumed, or straight in the store."""
