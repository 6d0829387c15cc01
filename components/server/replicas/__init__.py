"""Several server processes behind one address that know the same, by way of Redis."""
