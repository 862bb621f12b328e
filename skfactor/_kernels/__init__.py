"""Arrays in, arrays out: one formula per function, NumPy and SciPy only.

Values come columns first, as ``(n_columns, n_rows)`` with the rows of a segment (one date, or one
date and group) next to each other; ``offsets`` says where each segment starts and ends. Columns
first costs nothing: it is the transpose of a DataFrame's own memory.
"""
