"""What is offered to others: the catalogue, and its entries in Croissant and DCAT."""
