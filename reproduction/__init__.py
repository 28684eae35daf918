"""What judges the paper: its claims, the numbers that they are judged by, and the verdicts.

The notebooks import what measures and draws, but no verdict; `splitlib` knows nothing of it.
"""
