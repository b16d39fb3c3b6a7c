"""The page of an evaluation: what was measured, said in words, tables and charts."""
