"""Speed, as ratios within one run, and the straightforward loop that it is measured against."""
