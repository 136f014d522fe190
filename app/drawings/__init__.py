"""Small drawings as SVG: bars with intervals, points, courses. Pure; they need no script, and colours come from CSS."""
