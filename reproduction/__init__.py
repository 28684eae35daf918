"""The paper's claims, the measurements behind them, and the verdicts.

The notebooks import the measurements and plots, but no verdicts; `splitlib` is independent of both.
"""
