"""The parts of a page: elements, pictures as SVG, style, words."""
