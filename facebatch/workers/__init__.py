"""This machine's processors and memory, threads, and work in a process of its own."""
