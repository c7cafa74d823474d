"""Does a POET curriculum make learners that adapt faster than a random or a hand-made one of equal budget?"""
