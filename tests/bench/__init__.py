"""The benchmark: what a request costs, of all of hotrow's processes, against yardsticks of the same run."""
