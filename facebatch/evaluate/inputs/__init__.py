"""The files that say what is true: pair lists, labels and boxes."""
