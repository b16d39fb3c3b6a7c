"""What a page is made of: templates with their style sheet, plots as SVG, words."""
