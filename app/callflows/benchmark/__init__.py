"""``callflows bench``: the speed of answers beside other servers, in ratios of one run on one machine."""
