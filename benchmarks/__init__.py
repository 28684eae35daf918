"""Speed benchmarks, as ratios within one run, and the straightforward loop as their baseline."""
