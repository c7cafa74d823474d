"""Several runs beside each other: `facts` reads them, `comparison.compare` compares, `page` shows.

`matrix` plays the agents of each run in the niches of the others.
"""
