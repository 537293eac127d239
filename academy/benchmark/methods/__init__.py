"""The peers' methods, from their papers, on identical experts and at equal budget.

What the peers' published code does wrong (`personal best` that is only a second name for the
position, fitness that is not measured again after a move, winners chosen by test score) is put
right here, so that a gain over them is not a gain over their mistakes.
"""
